#include <simul/codec/python_text.hpp>
#include <simul/jobs/job.hpp>
#include <simul/jobs/payload.hpp>
#include <simul/loop/run.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace simul;

namespace {

inline constexpr job<int(std::string)> count_words{"mymodule.count_words_at_url", {"url"}};
inline constexpr job<std::string(std::string, int, std::string)> greet{
    "m.greet", {"name", {"times", 1}, keyword("sign", "!")}};
inline constexpr job<double(double, double)> add{"m.add"};
inline constexpr job<void()> nothing{"m.nothing"};

int twice(int n) { return 2 * n; }
task<int> thrice(int n) { co_return 3 * n; }
inline constexpr job twice_job{"m.twice", &twice};
inline constexpr job thrice_job{"m.thrice", {"n"}, &thrice};
inline constexpr job lambda_job{"m.lambda", [](const std::string& s) { return s.size(); }};

std::string error_of(auto&& f) {
    try {
        f();
    } catch (const std::exception& e) {
        return e.what();
    }
    return "no error";
}

job_call call_of(std::string name, std::vector<value> args, std::vector<value::entry> kwargs = {}) {
    return {std::move(name), std::move(args), std::move(kwargs)};
}

}  // namespace

TEST_CASE("a contract makes the call that RQ would make") {
    job_call c = count_words.call("http://nvie.com");
    CHECK(c.function == "mymodule.count_words_at_url");
    CHECK(describe_call(c.function, c.args, c.kwargs) == "mymodule.count_words_at_url('http://nvie.com')");
    CHECK(nothing.call().args.empty());
    c = add.call(1, 2.5F);
    CHECK(c.args[0] == value(1.0));
    CHECK(c.args[1] == value(2.5));
}

TEST_CASE("parameters behind a default, and keyword-only ones, are sent by name") {
    job_call c = greet.call("Bob", 2, "?");
    CHECK(describe_call(c.function, c.args, c.kwargs) == "m.greet('Bob', 2, sign='?')");
    c = greet.call("Bob", use_default, "?");
    CHECK(describe_call(c.function, c.args, c.kwargs) == "m.greet('Bob', sign='?')");
    c = greet.call("Bob", use_default, use_default);
    CHECK(describe_call(c.function, c.args, c.kwargs) == "m.greet('Bob')");
    CHECK(error_of([] { (void)greet.call(use_default, 1, "!"); }) ==
          "m.greet() takes 3 arguments (name, times=..., sign=...): argument 'name': it has no default");
}

TEST_CASE("a stored call is bound by position, by name and by default") {
    auto [name, times, sign] = greet.bind(call_of("m.greet", {value("Bob")}));
    CHECK(name == "Bob");
    CHECK(times == 1);
    CHECK(sign == "!");
    std::tie(name, times, sign) =
        greet.bind(call_of("m.greet", {}, {{value("sign"), value("?")}, {value("name"), value("Eve")}}));
    CHECK(name == "Eve");
    CHECK(sign == "?");
}

TEST_CASE("wrong arguments are told with the job's name and its parameters") {
    CHECK(error_of([] { (void)count_words.bind(call_of("x", {})); }) ==
          "mymodule.count_words_at_url() takes 1 argument (url): argument 'url': it is missing");
    CHECK(error_of([] { (void)count_words.bind(call_of("x", {value("a"), value("b")})); }) ==
          "mymodule.count_words_at_url() takes 1 argument (url): 2 were given");
    CHECK(error_of([] {
              (void)count_words.bind(call_of("x", {value("a")}, {{value("url"), value("b")}}));
          }) == "mymodule.count_words_at_url() takes 1 argument (url): argument 'url': it was given twice");
    CHECK(error_of([] { (void)count_words.bind(call_of("x", {}, {{value("uri"), value("b")}})); }) ==
          "mymodule.count_words_at_url() takes 1 argument (url): there is no parameter 'uri'");
    std::string wrong_type = error_of([] { (void)count_words.bind(call_of("x", {value(5)})); });
    CHECK(wrong_type.find("mymodule.count_words_at_url() takes 1 argument (url): argument 'url': ") == 0);
    CHECK(wrong_type.find("int 5") != std::string::npos);
    CHECK(
        error_of([] { (void)add.bind(call_of("x", {value(1.0)}, {{value("b"), value(1.0)}})); }) ==
        "m.add() takes 2 arguments: the job's contract names no parameters, so 'b' cannot be given by name");
    CHECK(error_of([] { (void)greet.bind(call_of("x", {value("a"), value(1), value("?")})); }) ==
          "m.greet() takes 3 arguments (name, times=..., sign=...): argument 'sign': it must be given by its "
          "name");
    CHECK(error_of([] { (void)nothing.bind(call_of("x", {value(1)})); }) ==
          "m.nothing() takes no arguments: 1 were given");
}

TEST_CASE("a bound job can be called here, and is a contract") {
    CHECK(run([]() -> task<int> { co_return co_await twice_job(21); }) == 42);
    CHECK(run([]() -> task<int> { co_return co_await thrice_job(14); }) == 42);
    CHECK(run([]() -> task<std::size_t> { co_return co_await lambda_job("four"); }) == 4);
    const job<int(int)>& contract = thrice_job;
    CHECK(contract.name() == "m.thrice");
    CHECK(std::get<0>(contract.bind(call_of("m.thrice", {}, {{value("n"), value(5)}}))) == 5);
}

TEST_CASE("a call is stored as RQ stores it, in both formats, and read back") {
    job_call c = call_of("tasks.add", {value(2), value(3)});
    std::string pickled = encode_call(c, payload_format::pickle);
    CHECK(pickled == std::string("\x80\x05\x95\x19\x00\x00\x00\x00\x00\x00\x00(\x8c\x09tasks."
                                 "add\x94NK\x02K\x03\x86\x94}\x94t\x94.",
                                 36));
    CHECK(encode_call(c, payload_format::json) == R"(["tasks.add", null, [2, 3], {}])");
    for (payload_format f : {payload_format::pickle, payload_format::json}) {
        job_call back =
            decode_call(encode_call(call_of("m.f", {value("x")}, {{value("k"), value(true)}}), f));
        CHECK(back.function == "m.f");
        CHECK(back.args == std::vector<value>{value("x")});
        REQUIRE(back.kwargs.size() == 1);
        CHECK(back.kwargs[0].key == value("k"));
        CHECK(back.kwargs[0].value == value(true));
    }
    CHECK(decode_payload("").is_null());
}

TEST_CASE("data that is no call is refused with the reason") {
    CHECK(error_of([] { (void)decode_call("rubbish"); }).find("the job's data cannot be read: ") == 0);
    CHECK(error_of([] { (void)decode_call(""); }).find("no call of four parts") != std::string::npos);
    CHECK(error_of([] { (void)decode_call(R"(["f", null, []])"); }).find("no call of four parts") !=
          std::string::npos);
    CHECK(error_of([] { (void)decode_call(R"(["f", 5, [], {}])"); }).find("'f' is a method of an object") ==
          0);
    CHECK(error_of([] { (void)decode_call(R"([5, null, [], {}])"); }).find("the function's name is int 5") ==
          0);
    CHECK(error_of([] { (void)decode_call(R"(["f", null, null, {}])"); }).find("the arguments are None") ==
          0);
    CHECK(error_of([] { (void)decode_call(R"(["f", null, [], []])"); }).find("the keyword arguments are ") ==
          0);
    // os.system("true") as a pickle: nothing is looked up or called, and the message names it.
    CHECK(error_of([] {
              (void)decode_call("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.");
          }).find("system") != std::string::npos);
}
