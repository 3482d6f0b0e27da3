// The work of the measurement `gil`, the same in all its C++ programs: count primes by trial division
// (peers/gil.py has it in Python).
#pragma once

/// How many primes there are below `end`.
[[gnu::noinline]] inline long primes_below(long end) {
    long primes = 0;
    for (long n = 2; n < end; ++n) {
        bool prime = true;
        for (long d = 2; d * d <= n; ++d) {
            if (n % d == 0) {
                prime = false;
                break;
            }
        }
        if (prime) ++primes;
    }
    return primes;
}
