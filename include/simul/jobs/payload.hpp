#pragma once

#include <simul/codec/value.hpp>
#include <simul/jobs/record.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace simul {

/// Most bytes of a job's arguments, or of its result, before they are stored.
inline constexpr std::size_t job_data_bytes_max = 64 * 1024 * 1024;

/// A call as it lies in a job: RQ's (function, instance, args, kwargs).
struct job_call {
    std::string function;
    std::vector<value> args;
    std::vector<value::entry> kwargs;
};

/// The call as bytes: a pickled tuple of four, or a JSON array of four.
/// Throws: codec_error for a value that the format has no form for; job_errc::data_too_large.
std::string encode_call(const job_call& call, payload_format format);
/// Reads either format, told apart by the first byte. Nothing is ever called or imported.
/// Throws: job_errc::bad_payload; its text names what was wrong.
job_call decode_call(std::string_view data);
/// The format that `data` is in; answers use the format of their job.
payload_format format_of(std::string_view data) noexcept;

std::string encode_payload(const value& v, payload_format format);
/// An empty text is None: RQ writes no result for it.
value decode_payload(std::string_view data);

}  // namespace simul
