#include <simul/jobs/job.hpp>

#include <fmt/format.h>

namespace simul::detail {
namespace {

std::string parameter_name(const job_description& d, std::size_t index) {
    if (d.parameters != nullptr) return fmt::format("'{}'", d.parameters[index].name);
    return fmt::format("{}", index + 1);
}

std::string signature(const job_description& d) {
    if (d.arity == 0) return "no arguments";
    std::string text = fmt::format("{} argument{}", d.arity, d.arity == 1 ? "" : "s");
    if (d.parameters == nullptr) return text;
    text += " (";
    for (std::size_t i = 0; i < d.arity; ++i)
        text += fmt::format("{}{}{}", i == 0 ? "" : ", ", d.parameters[i].name,
                            d.parameters[i].has_default() ? "=..." : "");
    return text + ")";
}

[[noreturn]] void wrong(const job_description& d, const std::string& why) {
    throw_job_error(job_errc::wrong_arguments, fmt::format("{}() takes {}: {}", d.name, signature(d), why));
}

}  // namespace

void fail_argument(const job_description& d, std::size_t index, std::string_view why) {
    wrong(d, fmt::format("argument {}: {}", parameter_name(d, index), why));
}

value default_of(const job_description& d, std::size_t index) {
    return std::visit(
        [](const auto& v) -> value {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, std::monostate> || std::is_same_v<T, std::nullptr_t>)
                return {};
            else
                return value(v);
        },
        d.parameters[index].fallback);
}

std::vector<value> bind_call(const job_description& d, const job_call& call) {
    if (call.args.size() > d.arity)
        wrong(d, fmt::format("{} were given", call.args.size() + call.kwargs.size()));
    std::vector<value> values(call.args.begin(), call.args.end());
    values.resize(d.arity);
    std::vector<bool> given(d.arity, false);
    for (std::size_t i = 0; i < call.args.size(); ++i) {
        if (d.parameters != nullptr && d.parameters[i].keyword_only)
            fail_argument(d, i, "it must be given by its name");
        given[i] = true;
    }
    for (const value::entry& e : call.kwargs) {
        if (d.parameters == nullptr)
            wrong(d, fmt::format("the job's contract names no parameters, so '{}' cannot be given by name",
                                 e.key.as_string()));
        std::size_t i = 0;
        while (i < d.arity && d.parameters[i].name != e.key.as_string()) ++i;
        if (i == d.arity) wrong(d, fmt::format("there is no parameter '{}'", e.key.as_string()));
        if (given[i]) fail_argument(d, i, "it was given twice");
        values[i] = e.value;
        given[i] = true;
    }
    for (std::size_t i = 0; i < d.arity; ++i) {
        if (given[i]) continue;
        if (d.parameters == nullptr || !d.parameters[i].has_default()) {
            if (d.parameters == nullptr) wrong(d, fmt::format("{} were given", call.args.size()));
            fail_argument(d, i, "it is missing");
        }
        values[i] = default_of(d, i);
    }
    return values;
}

}  // namespace simul::detail
