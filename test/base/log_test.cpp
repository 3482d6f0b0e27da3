#include <doctest/doctest.h>

#include <simul/base/log.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

using namespace simul;

namespace {

struct refuses_formatting {};

// Ends the test's hook whatever happens, so that no other test logs into a dead vector.
struct hooked {
    std::vector<std::string> lines;
    explicit hooked(log_level least) {
        set_log_hook(
            [this](const log_record& r) {
                lines.push_back(fmt::format("{}|{}", to_string(r.level), r.message));
            },
            least);
    }
    ~hooked() { set_log_hook({}); }
    hooked(const hooked&) = delete;
    hooked& operator=(const hooked&) = delete;
};

}  // namespace

template <>
struct fmt::formatter<refuses_formatting> {
    constexpr auto parse(format_parse_context& ctx) { return ctx.begin(); }
    template <class Context>
    auto format(const refuses_formatting&, Context& ctx) const -> decltype(ctx.out()) {
        throw std::runtime_error("refused");
    }
};

TEST_CASE("messages are dropped until a hook is set and after it was removed") {
    CHECK_FALSE(log_enabled(log_level::error));
    log(log_level::error, "nobody {}", "listens");
    {
        hooked hook(log_level::debug);
        log(log_level::error, "somebody {}", "listens");
        CHECK(hook.lines == std::vector<std::string>{"error|somebody listens"});
    }
    CHECK_FALSE(log_enabled(log_level::error));
}

TEST_CASE("a default hook is set where there is none, and replaces none") {
    std::vector<std::string> seen;
    const auto noting = [&](const log_record& r) { seen.emplace_back(r.message); };
    {
        hooked hook(log_level::error);
        detail::set_default_log_hook(noting, log_level::info);
        log(log_level::error, "to the hook");
        CHECK(hook.lines.size() == 1);
    }
    detail::set_default_log_hook(noting, log_level::warning);
    log(log_level::info, "below");
    log(log_level::warning, "to the default");
    CHECK(seen == std::vector<std::string>{"to the default"});
    {
        hooked hook(log_level::info);
        log(log_level::warning, "to the later hook");
        CHECK(hook.lines.size() == 1);
    }
    CHECK(seen.size() == 1);
}

TEST_CASE("only messages of the wanted level and above reach the hook") {
    hooked hook(log_level::warning);
    log(log_level::debug, "a");
    log(log_level::info, "b");
    log(log_level::warning, "c {}", 1);
    log(log_level::error, "d");
    CHECK(hook.lines == std::vector<std::string>{"warning|c 1", "error|d"});
}

TEST_CASE("a hook may log and may replace itself") {
    std::vector<std::string> seen;
    set_log_hook([&](const log_record& r) {
        seen.emplace_back(r.message);
        if (seen.size() == 1) log(log_level::info, "inner");
        if (seen.size() == 2) set_log_hook({});
    });
    log(log_level::info, "outer");
    log(log_level::info, "late");
    CHECK(seen == std::vector<std::string>{"outer", "inner"});
}

TEST_CASE("a message that cannot be formatted arrives unformatted") {
    hooked hook(log_level::info);
    log(log_level::info, "value: {}", refuses_formatting{});
    CHECK(hook.lines == std::vector<std::string>{"info|value: {}"});
}
