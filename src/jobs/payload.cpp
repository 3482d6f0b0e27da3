#include <simul/codec/json.hpp>
#include <simul/codec/pickle.hpp>
#include <simul/jobs/error.hpp>
#include <simul/jobs/payload.hpp>

#include <fmt/format.h>

#include <utility>

namespace simul {
namespace {

constexpr char pickle_start = '\x80';

std::string checked_size(std::string text) {
    if (text.size() > job_data_bytes_max)
        throw_job_error(
            job_errc::data_too_large,
            fmt::format("{} bytes are more than a job may carry ({}); pass the place of the data instead",
                        text.size(), job_data_bytes_max));
    return text;
}

[[noreturn]] void bad(const std::string& why) { throw_job_error(job_errc::bad_payload, why); }

}  // namespace

payload_format format_of(std::string_view data) noexcept {
    return !data.empty() && data.front() == pickle_start ? payload_format::pickle : payload_format::json;
}

std::string encode_payload(const value& v, payload_format format) {
    return checked_size(format == payload_format::json ? json::dump(v, json::style::python)
                                                       : pickle::dump(v));
}

value decode_payload(std::string_view data) {
    if (data.empty()) return {};
    return format_of(data) == payload_format::pickle ? pickle::load(data) : json::parse(data);
}

std::string encode_call(const job_call& call, payload_format format) {
    std::vector<value> four;
    four.emplace_back(call.function);
    four.emplace_back(nullptr);
    four.push_back(value::tuple(call.args));
    four.push_back(value::dict(call.kwargs));
    return encode_payload(value::tuple(std::move(four)), format);
}

job_call decode_call(std::string_view data) {
    value four;
    try {
        four = decode_payload(data);
    } catch (const std::exception& e) {
        bad(fmt::format("the job's data cannot be read: {}", e.what()));
    }
    if (!four.is_sequence() || four.size() != 4)
        bad(fmt::format("the job's data is {} and no call of four parts (function, instance, args, kwargs)",
                        describe_found(four)));
    if (!four[0].is_string())
        bad(fmt::format("the function's name is {} and no text", describe_found(four[0])));
    if (!four[1].is_null())
        bad(fmt::format("'{}' is a method of an object ({}); only plain functions can be called",
                        four[0].as_string(), describe_found(four[1])));
    if (!four[2].is_sequence()) bad(fmt::format("the arguments are {} and no list", describe_found(four[2])));
    if (!four[3].is_dict())
        bad(fmt::format("the keyword arguments are {} and no dict", describe_found(four[3])));
    job_call call;
    call.function = four[0].as_string();
    call.args.assign(four[2].begin(), four[2].end());
    for (const value::entry& e : four[3].entries()) {
        if (!e.key.is_string()) bad(fmt::format("a keyword is {} and no text", describe_found(e.key)));
        call.kwargs.push_back(e);
    }
    return call;
}

}  // namespace simul
