#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <random>
#include <simul/http/wire/parser.hpp>
#include <string>
#include <string_view>
#include <vector>

/// Events of a parser as text, so that two ways of feeding the same bytes can be compared.
namespace simul::http::test {

inline std::string fields_of(const headers& all) {
    std::string out;
    for (const auto [name, value] : all) out += fmt::format(" {}={}", name, value);
    return out;
}

inline std::string describe(request_parser& parser) {
    const request_head& h = parser.head();
    return fmt::format("{} {} 1.{}{}{}{}", h.method.name(), h.target, h.version_minor,
                       h.expect_continue ? " (expects 100)" : "", h.upgrade ? " (offers upgrade)" : "",
                       fields_of(h.headers));
}

inline std::string describe(response_parser& parser) {
    const response_head& h = parser.head();
    return fmt::format("{} {} 1.{}{}", h.status, h.reason, h.version_minor, fields_of(h.headers));
}

/// Feeds `pieces` one after the other and, if `finish`, the end of the connection. Neighboring body pieces
/// are joined. What a connection does, the trace does: input that was not taken is offered again together
/// with what comes next.
template <class Parser>
std::string trace(Parser& parser, const std::vector<std::string_view>& pieces, bool finish) {
    std::string out;
    std::string body;
    bool upgraded = false;  // from then on the bytes are not HTTP
    const auto flush = [&] {
        if (!body.empty()) out += fmt::format("body {}\n", body);
        body.clear();
    };
    // true: no more events are to be had from this input
    const auto note = [&](wire_event event) {
        if (event != wire_event::body && event != wire_event::need_input) flush();
        switch (event) {
            case wire_event::need_input:
                return true;
            case wire_event::head:
                out += "head " + describe(parser) + "\n";
                return false;
            case wire_event::body:
                body += parser.body();
                return false;
            case wire_event::end:
                out += fmt::format("end {}{}\n", parser.keep_alive() ? "keep" : "close",
                                   fields_of(parser.trailers()));
                return false;
            case wire_event::upgrade:
                out += "upgrade\n";
                upgraded = true;
                return true;
            case wire_event::closed:
                out += "closed\n";
                return true;
        }
        return true;
    };
    try {
        std::string unread;
        for (std::string_view piece : pieces) {
            unread += piece;
            // An exact copy on the heap, so that a sanitizer sees every byte read beyond the input.
            const std::vector<char> exact(unread.begin(), unread.end());
            std::string_view input(exact.data(), exact.size());
            while (!upgraded && !note(parser.next(input))) {
            }
            unread.assign(input);
        }
        if (finish && !upgraded) {
            while (!note(parser.finish())) {
            }
        }
        flush();
        if (!unread.empty()) out += fmt::format("unread {}\n", unread);
    } catch (const wire_error& e) {
        flush();
        out += fmt::format("error {}\n", make_error_code(e.reason()).message());
    }
    return out;
}

inline std::vector<std::string_view> whole(std::string_view bytes) { return {bytes}; }

inline std::vector<std::string_view> byte_by_byte(std::string_view bytes) {
    std::vector<std::string_view> pieces;
    for (std::size_t i = 0; i < bytes.size(); ++i) pieces.push_back(bytes.substr(i, 1));
    return pieces;
}

template <class Random>
std::vector<std::string_view> at_random(std::string_view bytes, Random& random) {
    std::vector<std::string_view> pieces;
    while (!bytes.empty()) {
        const std::size_t size = 1 + random() % bytes.size();
        pieces.push_back(bytes.substr(0, size));
        bytes.remove_prefix(size);
    }
    return pieces;
}

}  // namespace simul::http::test
