#include "jobs/failure_text.hpp"

#include <simul/jobs/error.hpp>
#include <simul/sqlite/error.hpp>

#include <fmt/format.h>

#include <cxxabi.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <typeinfo>

namespace simul::detail {
namespace {

constexpr std::string_view code_mark = "\n  error code ";

std::string type_name(const std::exception& e) {
    int status = 0;
    std::unique_ptr<char, void (*)(void*)> name(
        abi::__cxa_demangle(typeid(e).name(), nullptr, nullptr, &status), std::free);
    return status == 0 && name ? name.get() : typeid(e).name();
}

std::string compose(std::string_view type, std::string_view message, std::string_view code,
                    std::string_view function, std::string_view worker) {
    std::string one_line(message);
    for (char& c : one_line)
        if (c == '\n' || c == '\r') c = ' ';
    std::string text =
        fmt::format("Traceback (most recent call last):\n  {} on simul worker {}", function, worker);
    if (!code.empty()) text += fmt::format("{}{}", code_mark, code);
    text += fmt::format("\n{}: {}", type, one_line);
    // The whole message where it has several lines, above the last line.
    if (one_line != message) text.insert(text.rfind('\n'), fmt::format("\n{}", message));
    return text;
}

}  // namespace

std::string failure_text(std::string_view type, std::string_view message, std::string_view function,
                         std::string_view worker) {
    return compose(type, message, "", function, worker);
}

std::string failure_text(std::exception_ptr error, std::string_view function, std::string_view worker) {
    try {
        std::rethrow_exception(error);
    } catch (const remote_error& e) {
        return compose(e.type_name(), e.message(), "", function, worker);
    } catch (const std::system_error& e) {
        return compose("std::system_error", e.what(),
                       fmt::format("{}:{}", e.code().category().name(), e.code().value()), function, worker);
    } catch (const std::exception& e) {
        return compose(type_name(e), e.what(), "", function, worker);
    } catch (...) {  // described for the record; its owner has the exception_ptr
        return compose("unknown", "an object that is no std::exception was thrown", "", function, worker);
    }
}

void throw_recorded_failure(std::string_view job_id, std::string_view text) {
    std::size_t mark = text.find(code_mark);
    if (mark != text.npos) {
        std::string_view code = text.substr(mark + code_mark.size());
        code = code.substr(0, code.find('\n'));
        std::size_t colon = code.find(':');
        int number = 0;
        if (colon != code.npos &&
            std::from_chars(code.data() + colon + 1, code.data() + code.size(), number).ec == std::errc()) {
            const std::array<const std::error_category*, 6> known{
                &std::generic_category(), &std::system_category(), &simul_category(),
                &job_category(),          &sqlite::category(),     &sqlite::result_category()};
            for (const std::error_category* category : known)
                if (category->name() == code.substr(0, colon)) {
                    job_failed parsed(job_id, text);
                    std::error_code ec(number, *category);
                    std::string what(parsed.message());
                    std::string tail = ": " + ec.message();
                    if (what.size() > tail.size() && what.ends_with(tail))
                        what.resize(what.size() - tail.size());
                    throw std::system_error(ec, what);
                }
        }
    }
    throw job_failed(job_id, text);
}

}  // namespace simul::detail
