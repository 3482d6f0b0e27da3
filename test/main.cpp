// The main function of every test program, and the bridge from doctest to ctest.
//
//   simul_x_test                     runs everything, as doctest does
//   simul_x_test --only=NAME         runs the one test case of exactly this name (doctest's own filter treats
//                                    commas, stars and question marks specially); none found is a failure
//   simul_x_test --list-test-cases --reporters=ctest --out=FILE
//                                    writes the test cases as a script for ctest. The environment says how:
//                                    SIMUL_CTEST_LAYER   prefix of the names and label
//                                    SIMUL_CTEST_BACKENDS  "uring epoll" or empty: one test each
//                                    SIMUL_CTEST_PROGRAM the program to call
//
// With SIMUL_IO=uring the program ends with status 77 ("skipped" for ctest) where the kernel or the
// container does not allow io_uring: then there is nothing to test, and epoll is tested anyway.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

// The sanitizers ask for these by name, so that a test run by hand is as strict as one run by ctest.
extern "C" {
const char* __asan_default_options();  // NOLINT
const char* __asan_default_options() { return "detect_stack_use_after_return=1:strict_string_checks=1"; }
const char* __ubsan_default_options();  // NOLINT
const char* __ubsan_default_options() { return "print_stacktrace=1"; }
const char* __tsan_default_options();  // NOLINT
const char* __tsan_default_options() { return "second_deadlock_stack=1:die_after_fork=0"; }
}

namespace {

constexpr int skipped = 77;
constexpr std::string_view only_option = "--only=";
int cases_started = 0;

std::string environment(const char* name) {
    const char* text = std::getenv(name);
    return text == nullptr ? "" : text;
}

/// Does nothing in a run but count; the other methods of a listener are of no interest here.
struct quiet_reporter : doctest::IReporter {
    void report_query(const doctest::QueryData&) override {}
    void test_run_start() override {}
    void test_run_end(const doctest::TestRunStats&) override {}
    void test_case_start(const doctest::TestCaseData&) override {}
    void test_case_reenter(const doctest::TestCaseData&) override {}
    void test_case_end(const doctest::CurrentTestCaseStats&) override {}
    void test_case_exception(const doctest::TestCaseException&) override {}
    void subcase_start(const doctest::SubcaseSignature&) override {}
    void subcase_end() override {}
    void log_assert(const doctest::AssertData&) override {}
    void log_message(const doctest::MessageData&) override {}
    void test_case_skipped(const doctest::TestCaseData&) override {}
};

struct counter : quiet_reporter {
    explicit counter(const doctest::ContextOptions&) {}
    void test_case_start(const doctest::TestCaseData&) override { ++cases_started; }
};

/// Writes the list of test cases as a script for ctest.
class ctest_writer : public quiet_reporter {
  public:
    explicit ctest_writer(const doctest::ContextOptions& options) : out_(*options.cout) {}

    void report_query(const doctest::QueryData& query) override {
        refuse_equal_names(query);
        const std::string layer = environment("SIMUL_CTEST_LAYER");
        std::istringstream names(environment("SIMUL_CTEST_BACKENDS"));
        std::vector<std::string> backends;
        for (std::string name; names >> name;) backends.push_back(name);
        for (unsigned i = 0; i < query.num_data; ++i) {
            if (backends.empty()) write(*query.data[i], layer + ": ", layer, "");
            for (const std::string& backend : backends) {
                write(*query.data[i], layer + "[" + backend + "]: ", layer + ";" + backend,
                      "SIMUL_IO=" + backend);
            }
        }
        out_.flush();
    }

  private:
    static std::string quoted(std::string_view text) { return "[==[" + std::string(text) + "]==]"; }

    /// Two test cases of one name would be run by each other's ctest entry.
    static void refuse_equal_names(const doctest::QueryData& query) {
        std::map<std::string_view, const doctest::TestCaseData*> seen;
        for (unsigned i = 0; i < query.num_data; ++i) {
            const doctest::TestCaseData& test = *query.data[i];
            auto [at, is_new] = seen.emplace(test.m_name, &test);
            if (is_new) continue;
            std::fprintf(
                stderr,
                "%s:%u: this test case has the name of the one at %s:%u; give it another one: \"%s\"\n",
                test.m_file.c_str(), test.m_line, at->second->m_file.c_str(), at->second->m_line,
                test.m_name);
            std::exit(1);
        }
    }

    void write(const doctest::TestCaseData& test, const std::string& prefix, std::string labels,
               const std::string& variable) {
        if (*test.m_test_suite != '\0') labels += std::string(";") + test.m_test_suite;
        const std::string name = quoted(prefix + test.m_name);
        out_ << "add_test(" << name << ' ' << quoted(environment("SIMUL_CTEST_PROGRAM")) << ' '
             << quoted(std::string(only_option) + test.m_name) << ")\n";
        out_ << "set_tests_properties(" << name << " PROPERTIES SKIP_RETURN_CODE " << skipped << " LABELS "
             << quoted(labels);
        if (!variable.empty()) out_ << " ENVIRONMENT " << quoted(variable);
        if (test.m_skip) out_ << " DISABLED TRUE";
        out_ << ")\n";
    }

    std::ostream& out_;
};

bool io_uring_is_allowed() {
    // Bad arguments on purpose: EFAULT or EINVAL come from a kernel that would have made a ring.
    return ::syscall(SYS_io_uring_setup, 0, nullptr) >= 0 || (errno != ENOSYS && errno != EPERM);
}

/// doctest splits a filter at commas and eats backslashes.
std::string escaped(std::string_view name) {
    std::string text;
    for (char c : name) {
        if (c == ',' || c == '\\') text += '\\';
        text += c;
    }
    return text;
}

}  // namespace

DOCTEST_REGISTER_REPORTER("ctest", 1, ctest_writer);
REGISTER_LISTENER("counter", 1, counter);

int main(int argc, char** argv) {
    doctest::Context context;
    bool only = false;
    std::vector<const char*> arguments;
    for (int i = 0; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument.substr(0, only_option.size()) == only_option) {
            only = true;
            context.addFilter("test-case", escaped(argument.substr(only_option.size())).c_str());
            context.setOption("case-sensitive", true);
        } else {
            arguments.push_back(argv[i]);
        }
    }
    context.applyCommandLine(static_cast<int>(arguments.size()), arguments.data());

    if (only && environment("SIMUL_IO") == "uring" && !io_uring_is_allowed()) {
        std::puts("skipped: io_uring is not allowed here");
        return skipped;
    }
    const int status = context.run();
    if (only && cases_started == 0) {
        std::fputs("no test case has this name; build again, so that ctest's list is made anew\n", stderr);
        return 1;
    }
    return status;
}
