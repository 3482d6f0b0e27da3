#include <simul/processes/subprocess.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>
#include <vector>

#include <simul/base/error.hpp>
#include <simul/core/all.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include "processes/workers.hpp"

using namespace simul;
using namespace simul_test;

namespace {

subprocess_result result_of(subprocess program) {
    return run([&]() -> task<subprocess_result> { co_return co_await std::move(program).run(); });
}
std::error_code code_of_run(subprocess program) {
    return code_of([&] { result_of(std::move(program)); });
}
std::string text_of_run(subprocess program) {
    return text_of([&] { result_of(std::move(program)); });
}

struct temporary_folder {
    std::filesystem::path path;
    temporary_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "simul-subprocess-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
};

}  // namespace

TEST_CASE("a program gets its arguments as they are and its output is captured") {
    const auto result = result_of(subprocess("printf").arg("%s|%s").arg("a b").arg("$HOME; exit 3"));
    CHECK(result.success());
    CHECK(result.output == "a b|$HOME; exit 3");
    CHECK(result.errors.empty());
    const std::vector<std::string> list{"x", "y"};
    CHECK(result_of(subprocess("echo").args(list).args(std::array{"z"})).output == "x y z\n");
}

TEST_CASE("a shell is asked for by name") {
    const auto result = result_of(subprocess::shell("echo out; echo err >&2; exit 3"));
    CHECK(result.output == "out\n");
    CHECK(result.errors == "err\n");
    CHECK(result.status == exit_status::exited(3));
    CHECK(result_of(subprocess::shell("kill -9 $$")).status == exit_status::killed(SIGKILL));
}

TEST_CASE("a failed program throws only if asked to, with the end of its stderr") {
    try {
        result_of(subprocess::shell("echo what went wrong >&2; exit 3")).throw_for_status();
        FAIL("nothing thrown");
    } catch (const subprocess_failed& e) {
        CHECK(e.status() == exit_status::exited(3));
        CHECK(std::string(e.what()).starts_with("/bin/sh exited with status 3: what went wrong"));
    }
    CHECK(result_of(subprocess("true")).throw_for_status().success());
}

TEST_CASE("input is written to stdin, which ends after it; without input it is empty") {
    CHECK(result_of(subprocess("cat").input("hello")).output == "hello");
    CHECK(result_of(subprocess("cat")).output.empty());
}

TEST_CASE("megabytes go in and come out at the same time") {
    const std::string data(3'000'000, 'x');
    const auto result = result_of(subprocess("cat").input(data));
    CHECK(result.output == data);
}

TEST_CASE("a program that reads nothing of its input is no error, and no SIGPIPE") {
    const auto result = result_of(subprocess("true").input(std::string(1'000'000, 'x')));
    CHECK(result.success());
}

TEST_CASE("stderr can go where stdout goes, in order") {
    CHECK(result_of(subprocess::shell("echo one; echo two >&2; echo three").merge_errors()).output ==
          "one\ntwo\nthree\n");
}

TEST_CASE("streams can lead nowhere") {
    const auto result = result_of(subprocess::shell("echo out; echo err >&2").output_to(stream_to::nothing));
    CHECK(result.output.empty());
    CHECK(result.errors == "err\n");
}

TEST_CASE("environment and directory are the program's own") {
    ::setenv("SIMUL_TEST_KEPT", "kept", 1);
    ::setenv("SIMUL_TEST_GONE", "gone", 1);
    const char* show = "echo $SIMUL_TEST_KEPT,$SIMUL_TEST_GONE,$SIMUL_TEST_NEW";
    CHECK(
        result_of(subprocess::shell(show).env("SIMUL_TEST_NEW", "new").unset_env("SIMUL_TEST_GONE")).output ==
        "kept,,new\n");
    CHECK(result_of(subprocess("/usr/bin/env").clear_env().env("ONLY", "this")).output == "ONLY=this\n");
    const temporary_folder folder;
    CHECK(result_of(subprocess("pwd").directory(folder.path.string())).output ==
          std::filesystem::canonical(folder.path).string() + "\n");
}

TEST_CASE("a program that cannot be started is an error that names it and the reason") {
    CHECK(code_of_run(subprocess("simul-no-such-program")) == std::errc::no_such_file_or_directory);
    CHECK(contains(text_of_run(subprocess("simul-no-such-program")),
                   "run simul-no-such-program: not found in PATH"));
    CHECK(code_of_run(subprocess("/etc/passwd")) == std::errc::permission_denied);
    CHECK(contains(text_of_run(subprocess("true").directory("/no/such/folder")),
                   "in directory /no/such/folder"));

    const temporary_folder folder;
    const std::string script = (folder.path / "script").string();
    std::ofstream(script) << "#!/no/such/interpreter\n";
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    CHECK(contains(text_of_run(subprocess(script)), "its interpreter"));

    CHECK(code_of_run(subprocess("echo").arg(std::string("a\0b", 3))) == std::errc::invalid_argument);
    CHECK(code_of_run(subprocess("echo").env("A=B", "c")) == std::errc::invalid_argument);
}

TEST_CASE("a program past its time limit is stopped with all it has started") {
    const temporary_folder folder;
    const std::string file = (folder.path / "pid").string();
    try {
        result_of(subprocess::shell("sleep 1000 & echo $! > " + file + "; wait").time_limit(50ms));
        FAIL("no timeout");
    } catch (const std::system_error& e) {
        CHECK(e.code() == condition::timed_out);
        CHECK(contains(e.what(), "run /bin/sh: more than 50 ms"));
    }
    pid_t sleeper = 0;
    std::ifstream(file) >> sleeper;
    REQUIRE(sleeper > 0);
    CHECK(watched_process(sleeper).ends_within(5s));
}

TEST_CASE("a program that ignores SIGTERM is killed after the grace") {
    const auto before = clock::now();
    const auto code = code_of_run(
        subprocess::shell("trap '' TERM; while true; do sleep 1000; done").time_limit(20ms).grace(20ms));
    CHECK(code == condition::timed_out);
    CHECK(clock::now() - before < 10s);
}

TEST_CASE("a canceled run stops the program and has reaped it when the cancel goes on") {
    const temporary_folder folder;
    const std::string file = (folder.path / "pid").string();
    run([&]() -> task<> {
        const bool finished = (co_await with_scope([&](cancel_scope& scope) -> task<> {
            co_await all(
                [&]() -> task<> {
                    co_await subprocess::shell("echo $$ > " + file + "; exec sleep 1000").run();
                }(),
                [&]() -> task<> {
                    while (!std::filesystem::exists(file) || std::filesystem::file_size(file) == 0)
                        co_await sleep_for(200us);
                    scope.cancel();
                }());
        }));
        CHECK(!finished);
        pid_t pid = 0;
        std::ifstream(file) >> pid;
        REQUIRE(pid > 0);
        CHECK(::kill(pid, 0) == -1);  // not even a zombie
    });
}

TEST_CASE("output without end is an error that names the option") {
    const std::string text = text_of_run(subprocess("yes").output_bytes_max(100'000));
    CHECK(contains(text, "output of yes: more than 100000 (option output_bytes_max)"));
}

TEST_CASE("a background process that holds the output does not hold the run") {
    const auto result = result_of(subprocess::shell("sleep 1000 & echo $!").drain(5ms));
    CHECK(result.success());
    const pid_t background = std::atoi(result.output.c_str());
    REQUIRE(background > 0);
    CHECK(::kill(background, SIGKILL) == 0);  // it was left alone
}

TEST_CASE("a program has default signals, a group of its own and no descriptor of ours") {
    struct sigaction before{};
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGINT, &ignore, &before);
    const int leaky = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC on purpose
    CHECK(result_of(subprocess::shell("kill -INT $$; echo ignored")).status == exit_status::killed(SIGINT));
    CHECK(result_of(subprocess("ls").arg("/proc/self/fd")).output == "0\n1\n2\n3\n");  // 3 is the folder
    const auto ids =
        result_of(subprocess::shell("ps -o pid=,pgid= -p $$ | awk '{ print ($1 == $2) }'")).output;
    CHECK(ids == "1\n");
    CHECK(result_of(subprocess::shell("ps -o pid=,sid= -p $$ | awk '{ print ($1 == $2) }'").new_session())
              .output == "1\n");
    ::close(leaky);
    ::sigaction(SIGINT, &before, nullptr);
}

TEST_CASE("many programs run at once") {
    run([]() -> task<> {
        std::vector<int> numbers(30);
        for (int i = 0; i < 30; ++i) numbers[static_cast<std::size_t>(i)] = i;
        const auto results = co_await all(numbers, [](int n) -> task<std::string> {
            const auto result = co_await subprocess("echo").arg(std::to_string(n)).run();
            co_return result.output;
        });
        for (std::size_t i = 0; i < results.size(); ++i) CHECK(results[i] == std::to_string(i) + "\n");
    });
}

TEST_CASE("nothing is left open") {
    const auto count = [] {
        std::size_t n = 0;
        for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++n;
        return n;
    };
    const std::size_t before = count();
    result_of(subprocess("cat").input("x"));
    code_of_run(subprocess("simul-no-such-program").input("x"));
    code_of_run(subprocess("sleep").arg("1000").time_limit(5ms));
    CHECK(count() == before);
}
