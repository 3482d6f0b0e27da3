// The command `simul`, as somebody at a shell uses it.

#include <simul/base/version.hpp>
#include <simul/codec/json.hpp>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

using namespace simul;
namespace fs = std::filesystem;

namespace {

struct ended {
    int status = 0;
    std::string output;  // both streams
};

class shell {
  public:
    shell() {
        std::string name = (fs::temp_directory_path() / "simul-cli-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        program_ =
            (fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "apps" / "simul").string();
        REQUIRE_MESSAGE(fs::exists(program_), program_, " is not built");
    }
    ~shell() {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }
    const fs::path& folder() const { return folder_; }
    std::string store() const { return "sqlite://" + (folder_ / "jobs.db").string(); }

    /// `words` are given to /bin/sh behind the program's name.
    ended run(const std::string& words, const std::string& store_url = {}) const {
        std::string command =
            fmt::format("cd '{}' && SIMUL_STORE='{}' timeout 20 '{}' {} 2>&1", folder_.string(),
                        store_url.empty() ? store() : store_url, program_, words);
        FILE* pipe = ::popen(command.c_str(), "r");
        REQUIRE(pipe != nullptr);
        ended e;
        std::array<char, 4096> chunk;
        while (std::size_t n = std::fread(chunk.data(), 1, chunk.size(), pipe))
            e.output.append(chunk.data(), n);
        int status = ::pclose(pipe);
        e.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return e;
    }

  private:
    fs::path folder_;
    std::string program_;
};

}  // namespace

TEST_CASE("a command is enqueued, run by a worker, and its output is shown") {
    shell sh;
    ended e = sh.run("enqueue --exec --job-id greeting -- sh -c 'echo hello; pwd'");
    CHECK(e.status == 0);
    CHECK(e.output == "Enqueued sh -c echo hello; pwd with job-id 'greeting'.\n");
    e = sh.run("info");
    CHECK(e.output.find("default      |") == 0);
    CHECK(e.output.find(" 1, 0 executing, 0 finished, 0 failed\n1 queues, 1 jobs total") !=
          std::string::npos);
    e = sh.run("worker --burst --name w1");
    CHECK(e.status == 0);
    CHECK(e.output.find(fmt::format("simul worker 'w1' started, version {}\n", SIMUL_VERSION)) !=
          std::string::npos);
    CHECK(e.output.find("hello\n") != std::string::npos);
    CHECK(e.output.find("default: Job OK (greeting)\n") != std::string::npos);
    CHECK(e.output.find("Result is kept for 500 seconds\n") != std::string::npos);
    value job = json::parse(sh.run("job greeting --json").output);
    CHECK(job["status"].as_string() == "finished");
    CHECK(job["results"][0]["value"]["status"].as_int() == 0);
    CHECK(job["results"][0]["value"]["stdout"].as_string() == "hello\n" + sh.folder().string() + "\n");
    CHECK(sh.run("job greeting").output.find("status        finished") != std::string::npos);
}

TEST_CASE("a command that fails keeps its status, and may be tried again by hand") {
    shell sh;
    sh.run("enqueue --exec --job-id bad -- sh -c 'echo why >&2; exit 3'");
    ended e = sh.run("worker --burst");
    CHECK(e.status == 0);
    e = sh.run("job bad");
    CHECK(e.output.find("status        failed") != std::string::npos);
    CHECK_MESSAGE(e.output.find("3") != std::string::npos, e.output);
    CHECK_MESSAGE(e.output.find("why") != std::string::npos, e.output);
    CHECK(sh.run("requeue bad").output == "Job bad requeued.\n");
    CHECK(sh.run("cancel bad").output == "Job bad canceled.\n");
    e = sh.run("cancel bad");
    CHECK(e.status == 1);
    CHECK(e.output == "simul: job bad is canceled and cannot be canceled\n");
}

TEST_CASE("arguments are read as RQ's command reads them") {
    shell sh;
    sh.run("enqueue --job-id a m.f text :5 ':[1, null]' http://h/?a=b key=text other:=true");
    value job = json::parse(sh.run("job a --json").output);
    CHECK(job["function"].as_string() == "m.f");
    CHECK(job["args"] == json::parse(R"(["text", 5, [1, null], "http://h/?a=b"])"));
    CHECK(job["kwargs"] == json::parse(R"({"key": "text", "other": true})"));
    CHECK(job["description"].as_string() ==
          "m.f('text', 5, [1, None], 'http://h/?a=b', key='text', other=True)");
}

TEST_CASE("mistakes get one line that says what to do, and a status that means something") {
    shell sh;
    auto check = [&](const std::string& words, int status, const std::string& part,
                     const std::string& store = {}) {
        ended e = sh.run(words, store);
        CHECK_MESSAGE(e.status == status, words, ": ", e.status, " ", e.output);
        CHECK_MESSAGE(e.output.find(part) != std::string::npos, words, ": ", e.output);
        CHECK_MESSAGE(e.output.find("terminate called") == std::string::npos, e.output);
    };
    check("frob", 2, "--help");
    check("enqueue", 2, "enqueue needs the name of a function");
    check("enqueue --exec", 2, "--exec needs a command");
    check("enqueue m.f :{", 2, "simul: '{' is no JSON value");
    check("enqueue m.f k=1 2", 2, "positional ones come first");
    check("enqueue --timeout soon m.f", 2, "simul: --timeout is 'soon'; write seconds");
    check("enqueue --job-id 'a b' m.f", 2, "it may have letters, digits, '_' and '-'");
    check("enqueue -q a,b m.f", 2, "cannot name a queue");
    check("job nothing", 4, "simul: there is no job nothing");
    check("info", 3, "the scheme 'ftp' is not known; write sqlite:///", "ftp://h/x");
    std::ofstream(sh.folder() / "text") << std::string(5000, 'x');
    check("info", 3, "is not a SQLite database", "sqlite://" + (sh.folder() / "text").string());
    check("info", 3, "does not exist; make it first", "sqlite://" + (sh.folder() / "none/jobs.db").string());
    check("info", 3, "unix://" + (sh.folder() / "none.sock").string(),
          "unix://" + (sh.folder() / "none.sock").string());
    check("info", 3, "redis://me:***@127.0.0.1:1", "redis://me:s3cret@127.0.0.1:1");
    check("worker --burst --module ./none.so", 2, "module ./none.so: No such file");
    std::ofstream(sh.folder() / "text.so") << "no library";
    check("worker --burst --module ./text.so", 2, "module ./text.so: cannot be loaded");
    check("--help", 0, "Exit status: 0 done");
    check("--version", 0, fmt::format("simul {}", SIMUL_VERSION));
}

TEST_CASE("a closed stdout is noticed and ends no worker") {
    shell sh;
    sh.run("enqueue --exec --job-id a -- echo hello");
    CHECK(sh.run("info 2>/dev/null >&-; echo status $? #").output == "status 1\n");
    // The log is lost, which the status tells; the job is not.
    CHECK(sh.run("worker --burst 2>/dev/null >&-; echo status $? #").output == "status 1\n");
    CHECK(json::parse(sh.run("job a --json").output)["status"].as_string() == "finished");
}
