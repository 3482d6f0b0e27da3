#include <simul/processes/process_pool.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <latch>
#include <map>
#include <numeric>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include <simul/base/cpus.hpp>
#include <simul/base/error.hpp>
#include <simul/core/all.hpp>
#include <simul/core/call_context.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/this_task.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/processes/zygote.hpp>
#include "processes/workers.hpp"

using namespace simul;
using namespace simul_test;

namespace {

int square(int x) { return x * x; }
std::string shout(const std::string& text) { return text + "!"; }
std::size_t length(std::string_view text) { return text.size(); }
pid_t own_pid() { return ::getpid(); }
void sleep_long() { ::sleep(1000); }
task<int> later(int x) {
    co_await sleep_for(1ms);
    co_return x + 1;
}
void crash() { ::raise(SIGSEGV); }

/// Runs over the end of the stack, whatever the optimiser thinks of it.
int overflow(int depth) {
    volatile char frame[4096];
    frame[0] = static_cast<char>(depth);
    return depth == -1 ? 0 : overflow(depth + 1) + frame[0];
}

struct point {
    int x = 0;
    int y = 0;
};
SIMUL_FIELDS(point, x, y)
point mirrored(point p) { return {p.y, p.x}; }

std::error_code code_in(process_pool& pool, auto f) {
    return code_of([&] { run([&]() -> task<> { co_await pool.run(f); }); });
}
std::string text_in(process_pool& pool, auto f) {
    return text_of([&] { run([&]() -> task<> { co_await pool.run(f); }); });
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
}

/// An object that stands for a function, as a job that is bound to one.
struct bound {
    int (*f)(int);
    auto function() const { return f; }
};

}  // namespace

TEST_CASE("a function runs in another process and its result comes back") {
    process_pool pool({.workers = 1});
    run([&]() -> task<> {
        CHECK(co_await pool.run(square, 7) == 49);
        CHECK(co_await pool.run(shout, "hello") == "hello!");
        CHECK(co_await pool.run(length, "four") == 4);
        CHECK(co_await pool.run(own_pid) != ::getpid());
        co_await pool.run([] {});
        CHECK(co_await pool.run([](auto text, int n) { return text + std::to_string(n); }, "x", 5) == "x5");
        CHECK(co_await pool.run(bound{square}, 5) == 25);
    });
    CHECK(pool.statistics().completed == 7);
}

TEST_CASE("structs, containers and optionals travel both ways") {
    process_pool pool({.workers = 1});
    run([&]() -> task<> {
        const point turned = co_await pool.run(mirrored, point{1, 2});
        CHECK(turned.x == 2);
        CHECK(turned.y == 1);
        const std::vector<std::string> words{"a", "b", "a"};  // g++ 14 takes no list inside the await
        const auto counts = co_await pool.run(
            [](std::vector<std::string> each_word) {
                std::map<std::string, int> found;
                for (const std::string& each : each_word) ++found[each];
                return found;
            },
            words);
        CHECK(counts == std::map<std::string, int>{{"a", 2}, {"b", 1}});
        const std::optional<int> nothing =
            co_await pool.run([](std::optional<int> x) { return x; }, std::optional<int>());
        CHECK(!nothing);
    });
}

TEST_CASE("a coroutine runs on a loop of the worker") {
    process_pool pool({.workers = 1});
    run([&]() -> task<> {
        CHECK(co_await pool.run(later, 4) == 5);
        CHECK(co_await pool.run(later, 5) == 6);
    });
}

TEST_CASE("arguments and results of any size arrive") {
    process_pool pool({.workers = 1});
    run([&]() -> task<> {
        for (const std::size_t size : {0UL, 1UL, 64UL * 1024, 300'000UL, 5'000'000UL}) {
            const std::string text(size, 'x');
            CHECK(co_await pool.run(shout, text) == text + "!");
        }
    });
}

TEST_CASE("a result above the limit is an error that names the option, and the worker is replaced") {
    process_pool pool({.workers = 1, .message_bytes_max = 1000});
    const auto large = [] { return std::string(2000, 'x'); };
    CHECK(code_in(pool, large) == errc::limit_exceeded);
    CHECK(contains(text_in(pool, large), "message_bytes_max"));
    CHECK(run([&]() -> task<int> { co_return co_await pool.run(square, 3); }) == 9);
}

TEST_CASE("exceptions cross: a system error with its code, others with type and message") {
    process_pool pool({.workers = 1});
    const pid_t before = run([&]() -> task<pid_t> { co_return co_await pool.run(own_pid); });
    const auto refused = [] { throw_errno(ECONNREFUSED, "connect 10.0.0.1:443"); };
    CHECK(code_in(pool, refused) == std::errc::connection_refused);
    CHECK(text_in(pool, refused) == text_of([&] { refused(); }));
    const auto closed = [] { throw std::system_error(make_error_code(errc::closed), "channel"); };
    CHECK(code_in(pool, closed) == errc::closed);
    CHECK(code_in(pool, closed) == simul::errc::closed);
    try {
        run([&]() -> task<> { co_await pool.run([] { throw std::out_of_range("too far"); }); });
        FAIL("nothing thrown");
    } catch (const remote_error& e) {
        CHECK(e.type_name() == "std::out_of_range");
        CHECK(e.message() == "too far");
    }
    try {
        run([&]() -> task<> { co_await pool.run([] { throw 5; }); });
        FAIL("nothing thrown");
    } catch (const remote_error& e) {
        CHECK(e.type_name() == "int");
    }
    // The worker is as good as new.
    CHECK(run([&]() -> task<pid_t> { co_return co_await pool.run(own_pid); }) == before);
}

TEST_CASE("a worker that crashes, exits or is killed fails exactly its own call") {
    process_pool pool({.workers = 2});
    const std::vector<std::pair<void (*)(), std::string_view>> ends{
        {crash, "was killed by SIGSEGV"},
        {[] { std::abort(); }, "was killed by SIGABRT"},
        {[] { std::exit(3); }, "exited with status 3"},
        {[] { ::_exit(0); }, "exited with status 0"},
        {[] { ::kill(::getpid(), SIGKILL); }, "was killed by SIGKILL"},
        {[] { ::kill(::getpid(), SIGTERM); }, "was killed by SIGTERM"}};
    for (const auto& [function, expected] : ends) {
        CAPTURE(expected);
        run([&, f = function, words = expected]() -> task<> {
            const auto results = co_await all_settled(pool.run(f), pool.run(square, 3), pool.run(square, 4));
            const auto& [died, three, four] = results;
            REQUIRE(died.has_error());
            try {
                std::rethrow_exception(died.error());
            } catch (const worker_died& e) {
                CHECK(contains(e.what(), std::string(words).c_str()));
                CHECK(e.code() == process_errc::worker_died);
                CHECK(e.code() == condition::disconnected);
                CHECK(e.pid() > 0);
            }
            CHECK(three.value() == 9);
            CHECK(four.value() == 16);
        });
    }
    CHECK(pool.statistics().workers == 2);
    CHECK(pool.statistics().died == ends.size());
}

TEST_CASE("a worker that runs over its stack dies alone" * doctest::skip(sanitized)) {
    // Under sanitizers frames are so large, and the stack's end so guarded, that it takes seconds.
    process_pool pool({.workers = 1});
    CHECK(contains(text_in(pool, [] { overflow(0); }), "was killed by SIGSEGV"));
    CHECK(run([&]() -> task<int> { co_return co_await pool.run(square, 3); }) == 9);
}

TEST_CASE("a call is retried in another worker when its own died, as often as asked") {
    process_pool pool({.workers = 1});
    const std::string path =
        (std::filesystem::temp_directory_path() / ("simul-retry-" + std::to_string(::getpid()))).string();
    const auto dies_twice = [](std::string counter) {
        const int fd = ::open(counter.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (::write(fd, "x", 1) != 1) std::abort();
        if (std::filesystem::file_size(counter) < 3) ::raise(SIGKILL);
        return 7;
    };
    run([&]() -> task<> {
        auto once = co_await outcome_of(pool.with({.retries = 1}).run(dies_twice, path));
        CHECK(once.has_error());
        std::filesystem::remove(path);
        CHECK(co_await pool.with({.retries = 2}).run(dies_twice, path) == 7);
    });
    std::filesystem::remove(path);
}

TEST_CASE("an idle worker that was killed is replaced, and no call notices") {
    process_pool pool({.workers = 1});
    run([&]() -> task<> {
        for (int i = 0; i < 5; ++i) {
            const pid_t pid = co_await pool.run(own_pid);
            const watched_process its_end(pid);
            ::kill(pid, SIGKILL);
            if (i % 2 == 0) CHECK(its_end.ends_within(5s));  // else: while the next call is sent
            CHECK(co_await pool.run(square, i) == i * i);
        }
    });
    CHECK(pool.statistics().workers == 1);
}

TEST_CASE("a canceled call kills its worker, and it has ended when the cancel arrives") {
    process_pool pool({.workers = 1});
    run([&]() -> task<> {
        const pid_t pid = co_await pool.run(own_pid);
        CHECK(!co_await move_on_after(2ms, pool.run(sleep_long)));
        CHECK(watched_process(pid).ends_within(0ms));
        CHECK(co_await pool.run(own_pid) != pid);
    });
    CHECK(pool.statistics().killed == 1);
    CHECK(pool.statistics().died == 0);
}

TEST_CASE("a stopped worker is killed all the same") {
    process_pool pool({.workers = 1});
    run([&]() -> task<> {
        CHECK(!co_await move_on_after(5ms, pool.run([] { ::raise(SIGSTOP); })));
        CHECK(co_await pool.run(square, 2) == 4);
    });
}

TEST_CASE("a call past its time limit is a timeout, and its worker is killed") {
    process_pool pool({.workers = 1});
    try {
        run([&]() -> task<> { co_await pool.with({.time_limit = 2ms}).run(sleep_long); });
        FAIL("no timeout");
    } catch (const std::system_error& e) {
        CHECK(e.code() == condition::timed_out);
        CHECK(contains(e.what(), "more than 2 ms"));
    }
    CHECK(run([&]() -> task<int> { co_return co_await pool.with({.time_limit = 1h}).run(square, 3); }) == 9);
}

TEST_CASE("the caller's deadline travels to the worker, also to a coroutine there") {
    process_pool pool({.workers = 1});
    const auto deadline = [] { return here().deadline().value_or(time_point()).time_since_epoch().count(); };
    run([&]() -> task<> {
        CHECK(co_await pool.run(deadline) == 0);
        co_await timeout(1h, [&]() -> task<> {
            const auto mine = this_task::deadline().time_since_epoch().count();
            CHECK(co_await pool.run(deadline) == mine);
            CHECK(co_await pool.run([]() -> task<std::int64_t> {
                co_return this_task::deadline().time_since_epoch().count();
            }) == mine);
            CHECK(co_await pool.with({.time_limit = 1min}).run(deadline) < mine);
        }());
        CHECK(co_await timeout(1h, pool.run(deadline)) > 0);
        CHECK(co_await pool.run(deadline) == 0);
    });
}

TEST_CASE("calls wait for a worker in the order in which they were made") {
    process_pool pool({.workers = 1});
    run([&]() -> task<> {
        std::vector<int> order;
        const auto call = [&](int n) -> task<> {
            CHECK(co_await pool.run(square, n) == n * n);
            order.push_back(n);
        };
        co_await all(std::vector<int>{0, 1, 2, 3, 4}, call);
        CHECK(order == std::vector<int>{0, 1, 2, 3, 4});
    });
}

TEST_CASE("a canceled call that waits for a worker never runs") {
    process_pool pool({.workers = 1});
    run([&]() -> task<> {
        co_await race(pool.run(sleep_long), [&]() -> task<> {
            while (pool.statistics().idle > 0) co_await sleep_for(100us);
            CHECK(!co_await move_on_after(1ms, pool.run(square, 1)));
            CHECK(pool.statistics().waiting == 0);
        }());
        CHECK(co_await pool.run(square, 2) == 4);
    });
    CHECK(pool.statistics().completed == 1);
}

TEST_CASE("map gives the results in the order of the range") {
    process_pool pool({.workers = 2});
    std::vector<int> numbers(50);
    std::iota(numbers.begin(), numbers.end(), 0);
    run([&]() -> task<> {
        const std::vector<int> squares = co_await pool.map(numbers, square);
        REQUIRE(squares.size() == numbers.size());
        for (std::size_t i = 0; i < squares.size(); ++i) CHECK(squares[i] == static_cast<int>(i * i));
        co_await pool.map(numbers, [](int) {}, 3);
        CHECK((co_await pool.map(std::vector<int>(2, 3), square)).back() == 9);  // one that is given away
        auto failed = co_await outcome_of(pool.map(numbers, [](int n) {
            if (n == 7) throw std::runtime_error("seven");
        }));
        CHECK(failed.has_error());
    });
}

TEST_CASE("a pool may be used from several loops") {
    process_pool pool({.workers = 2});
    const auto work = [&] {
        run([&]() -> task<> {
            std::vector<int> numbers(100);
            std::iota(numbers.begin(), numbers.end(), 0);
            const auto squares = co_await pool.map(numbers, square, 10);
            for (std::size_t i = 0; i < squares.size(); ++i) CHECK(squares[i] == static_cast<int>(i * i));
        });
    };
    std::thread other(work);
    work();
    other.join();
    CHECK(pool.statistics().completed == 200);
}

TEST_CASE("a closed pool says so, and no worker is left") {
    process_pool pool({.workers = 2});
    const pid_t pid = run([&]() -> task<pid_t> { co_return co_await pool.run(own_pid); });
    pool.close();
    CHECK(watched_process(pid).ends_within(0ms));
    CHECK(code_in(pool, own_pid) == errc::closed);
    CHECK(pool.statistics().workers == 0);
}

TEST_CASE("a pool that was moved from says so") {
    // Bug: a null pointer was followed.
    process_pool pool({.workers = 1});
    process_pool other = std::move(pool);
    CHECK(code_in(pool, own_pid) == errc::wrong_state);
    CHECK(pool.size() == 0);
    CHECK(pool.statistics().workers == 0);
    pool.close();
    CHECK(run([&]() -> task<int> { co_return co_await other.run(square, 3); }) == 9);
}

TEST_CASE("pools and calls leave no descriptor behind, and none reaches a worker") {
    zygote::start();
    const std::size_t before = open_descriptors();
    const int leaky = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC on purpose
    {
        process_pool pool({.workers = 3});
        run([&]() -> task<> {
            // 0, 1, 2, the channel and the folder itself
            CHECK(co_await pool.run(open_descriptors) == 5);
            (void)co_await outcome_of(pool.run(crash));
            CHECK(co_await pool.run(open_descriptors) == 5);
            co_await move_on_after(1ms, pool.run(sleep_long));
        });
    }
    ::close(leaky);
    CHECK(open_descriptors() == before);
}

TEST_CASE("when the zygote is killed, the calls that run fail, and later ones get a new one") {
    zygote::start();
    process_pool pool({.workers = 1});
    std::string text;
    CHECK(code_of([&] {
              run([&]() -> task<> {
                  try {
                      co_await all(pool.run(sleep_long), [&]() -> task<> {
                          while (pool.statistics().idle > 0) co_await sleep_for(100us);
                          co_await sleep_for(50ms);  // so that the worker has begun
                          ::kill(zygote::pid(), SIGKILL);
                      }());
                  } catch (const worker_died& e) {
                      text = e.what();
                      throw;
                  }
              });
          }) == process_errc::worker_died);
    CHECK_MESSAGE(contains(text, "the zygote is gone, and its workers with it"), text);
    CHECK(run([&]() -> task<int> { co_return co_await pool.run(square, 3); }) == 9);
    CHECK(zygote::running());
}

TEST_CASE("a call that had not begun when the zygote was killed runs under the next one") {
    // It failed with zygote_died, although nothing of it had happened.
    zygote::start();
    process_pool pool({.workers = 1});
    const pid_t before = zygote::pid();
    int result = 0;
    run([&]() -> task<> {
        const pid_t stopped = co_await pool.run(own_pid);
        ::kill(stopped, SIGSTOP);  // the call stays unread
        co_await all([&]() -> task<> { result = co_await pool.run(square, 4); }(),
                     [&]() -> task<> {
                         while (pool.statistics().idle > 0) co_await sleep_for(100us);
                         ::kill(before, SIGKILL);
                     }());
    });
    CHECK(result == 16);
    CHECK(zygote::pid() != before);
}

TEST_CASE("whenever the zygote is killed, a call is answered or its worker died under it") {
    zygote::start();
    process_pool pool({.workers = 1});
    run([&]() -> task<> {
        for (int i = 0; i < 20; ++i) {
            ::kill(zygote::pid(), SIGKILL);
            std::optional<int> result;
            try {
                result = co_await pool.run(square, i);
            } catch (const worker_died&) {  // the worker had begun before the kill reached it
            }
            CHECK(result.value_or(i * i) == i * i);
        }
        CHECK(co_await pool.run(square, 5) == 25);
    });
}

TEST_CASE("in a program with threads a killed zygote stays dead, and every call says why") {
    zygote::start();
    process_pool pool({.workers = 1});
    std::latch done(1);
    std::thread other([&] { done.wait(); });
    const watched_process its_end(zygote::pid());
    ::kill(zygote::pid(), SIGKILL);
    CHECK(its_end.ends_within(5s));
    for (int i = 0; i < 2; ++i) {
        std::string text;
        CHECK(code_of([&] {
                  run([&]() -> task<> {
                      try {
                          co_await pool.run(square, 3);
                      } catch (const std::system_error& e) {
                          text = e.what();
                          throw;
                      }
                  });
              }) == process_errc::zygote_died);
        CHECK_MESSAGE(contains(text, "was killed by SIGKILL"), text);
        CHECK_MESSAGE(contains(text, "this program has 2 by now"), text);
    }
    done.count_down();
    other.join();
    CHECK(run([&]() -> task<int> { co_return co_await pool.run(square, 3); }) == 9);
}

TEST_CASE("a pool from before a fork is refused in the child") {
    process_pool pool({.workers = 1});
    const pid_t child = ::fork();
    if (child == 0) ::_exit(code_in(pool, own_pid) == errc::wrong_state ? 0 : 1);
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("what a call printed is written before its result arrives") {
    process_pool pool({.workers = 1});
    // doctest holds stdout; the worker's own goes to a file.
    const std::string path =
        (std::filesystem::temp_directory_path() / ("simul-print-" + std::to_string(::getpid()))).string();
    run([&]() -> task<> {
        co_await pool.run(
            [](std::string to) {
                if (std::freopen(to.c_str(), "w", stdout) == nullptr) std::abort();
                std::printf("printed");
            },
            path);
    });
    CHECK(std::filesystem::file_size(path) == 7);
    std::filesystem::remove(path);
}

TEST_CASE("a worker may have a pool of its own") {
    process_pool pool({.workers = 1});
    run([&]() -> task<> {
        CHECK(co_await pool.run(
                  [](int x) -> task<int> {
                      process_pool inner({.workers = 1});
                      co_return co_await inner.run(square, x);
                  },
                  6) == 36);
    });
}

TEST_CASE("when the system refuses a worker, the call says so" *
          doctest::skip(::getuid() == 0 || sanitized)) {
    // Root is not limited by RLIMIT_NPROC.
    zygote::stop();
    const rlimit none{0, 0};
    const pid_t child = ::fork();
    if (child == 0) {
        ::setrlimit(RLIMIT_NPROC, &none);
        ::_exit(code_of([] { process_pool pool({.workers = 1}); }) ==
                        std::errc::resource_unavailable_try_again
                    ? 0
                    : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("the default size is the number of CPUs this process may use") {
    CHECK(process_pool().size() == available_cpus());
}
