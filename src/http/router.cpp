#include "http/router.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include <simul/base/url.hpp>
#include <simul/http/error.hpp>

namespace simul::http::detail {
namespace {

[[noreturn]] void refuse_pattern(std::string_view pattern, std::string_view why) {
    throw error(errc::invalid_request, fmt::format("route {}: {}", pattern, why), {});
}

std::string decode(std::string_view segment) {
    if (segment.find('%') == segment.npos) return std::string(segment);
    try {
        return percent_decode(segment);
    } catch (const url_error&) {
        throw refusal(400, "the path has a broken percent-encoding");
    }
}

const route* of_method(const std::vector<route>& routes, const method& how) noexcept {
    for (const route& each : routes)
        if (each.how == how) return &each;
    return how == method::head ? of_method(routes, method::get) : nullptr;
}

}  // namespace

void router::add(method how, std::string_view pattern, handler call, route_options options) {
    if (!pattern.starts_with('/')) refuse_pattern(pattern, "it must begin with '/'");
    node* at = &root_;
    std::string_view left = pattern.substr(1);
    std::vector<std::string_view> names;
    for (bool last = false; !last;) {
        const auto slash = left.find('/');
        last = slash == left.npos;
        std::string_view segment = left.substr(0, slash);
        if (!last) left.remove_prefix(slash + 1);
        if (segment.starts_with('{') && segment.ends_with('}')) {
            segment = segment.substr(1, segment.size() - 2);
            const bool all = segment.ends_with("...");
            if (all) segment.remove_suffix(3);
            if (segment.empty()) refuse_pattern(pattern, "a parameter has no name");
            if (all && !last) refuse_pattern(pattern, "\"{name...}\" must be the last segment");
            if (std::find(names.begin(), names.end(), segment) != names.end())
                refuse_pattern(pattern, fmt::format("{{{}}} is in it twice", segment));
            names.push_back(segment);
            auto& next = all ? at->rest : at->any;
            if (!next) {
                next = std::make_unique<node>();
                next->name = segment;
            } else if (next->name != segment) {
                refuse_pattern(pattern,
                               fmt::format("another route calls {{{}}} here {{{}}}", segment, next->name));
            }
            at = next.get();
        } else {
            if (segment.find_first_of("{}") != segment.npos)
                refuse_pattern(pattern, "a parameter is a whole segment: /{name}/");
            auto& next = at->texts[std::string(segment)];
            if (!next) next = std::make_unique<node>();
            at = next.get();
        }
    }
    for (const route& each : at->routes)
        if (each.how == how) refuse_pattern(pattern, fmt::format("{} is there already", how.name()));
    at->routes.push_back({std::move(how), std::move(call), options});
}

// `path` without its first slash.
const router::node* router::walk(const node& at, std::string_view path, route_params& params) {
    const auto slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    const bool last = slash == path.npos;
    const std::string_view left = last ? std::string_view() : path.substr(slash + 1);

    const auto down = [&](const node& next) -> const node* {
        if (last) return next.routes.empty() ? nullptr : &next;
        return walk(next, left, params);
    };
    const bool encoded = segment.find('%') != segment.npos;
    const auto text = encoded ? at.texts.find(decode(segment)) : at.texts.find(segment);
    if (text != at.texts.end())
        if (const node* found = down(*text->second)) return found;
    if (at.any && !segment.empty()) {
        params.emplace_back(at.any->name, decode(segment));
        if (const node* found = down(*at.any)) return found;
        params.pop_back();
    }
    if (at.rest) {
        params.emplace_back(at.rest->name, decode(path));
        return at.rest.get();
    }
    return nullptr;
}

router::match router::find(const method& how, std::string_view path, route_params& params) const {
    const node* at = path.starts_with('/') ? walk(root_, path.substr(1), params) : nullptr;
    if (at == nullptr) return {};
    return {of_method(at->routes, how), &at->routes};
}

std::string router::allowed(const std::vector<route>& here) {
    std::string out;
    bool get = false;
    for (const route& each : here) {
        out += each.how.name();
        out += ", ";
        get = get || each.how == method::get;
    }
    if (get && of_method(here, method::head)->how == method::get) out += "HEAD, ";
    return out + "OPTIONS";
}

}  // namespace simul::http::detail
