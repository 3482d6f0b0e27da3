"""How much faster do two threads (or processes) do two pieces of CPU work than one does? Python; bench/gil.cpp is the same in simul."""

import json
import multiprocessing
import sys
import threading
import time


def primes_below(end):
    primes = 0
    for n in range(2, end):
        prime = True
        d = 2
        while d * d <= n:
            if n % d == 0:
                prime = False
                break
            d += 1
        if prime:
            primes += 1
    return primes


def twice(end):
    primes_below(end)
    primes_below(end)


def seconds(kind, works):
    workers = [kind(target=work, args=(below,)) for work in works]
    begin = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - begin


if __name__ == "__main__":
    kind = {"threads": threading.Thread, "processes": multiprocessing.Process}[sys.argv[1]]
    below = int(sys.argv[2])
    print(json.dumps({"one_s": seconds(kind, [twice]), "two_s": seconds(kind, [primes_below, primes_below])}))
