#include <simul/jobs/error.hpp>
#include <simul/jobs/store.hpp>

#include "jobs/redis_store.hpp"
#include "jobs/sqlite_store.hpp"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <string_view>

// Store URLs are read here and not with simul::url: unix:///path and sqlite:path have no host, and a password
// must not get into any message, whatever is wrong with the rest.

namespace simul {
namespace {

constexpr std::string_view forms =
    "sqlite:///absolute/path/jobs.db, sqlite:relative/jobs.db, redis://host:6379/0 or "
    "unix:///path/to/redis.sock";

[[noreturn]] void unknown(std::string_view shown, std::string_view why) {
    throw_job_error(job_errc::unknown_store,
                    fmt::format("cannot use '{}' as a store: {}; write {}", shown, why, forms));
}

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return std::nullopt;
        out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
        i += 2;
    }
    return out;
}

std::optional<int> number(std::string_view text, int max) {
    int n = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (ec != std::errc() || end != text.data() + text.size() || n < 0 || n > max) return std::nullopt;
    return n;
}

// "user:secret@host" -> "user:***@host": what may be shown.
std::string without_password(std::string_view url) {
    std::size_t start = url.find("://");
    std::size_t at = url.rfind('@');
    if (start == url.npos || at == url.npos || at < start) return std::string(url);
    std::size_t colon = url.find(':', start + 3);
    if (colon == url.npos || colon > at)
        return std::string(url.substr(0, start + 3)) + "***" + std::string(url.substr(at));
    return std::string(url.substr(0, colon + 1)) + "***" + std::string(url.substr(at));
}

struct parts {
    std::string shown;
    std::string_view rest;
    std::map<std::string, std::string, std::less<>> query;
};

void split_query(parts& p) {
    std::size_t q = p.rest.find('?');
    if (q == p.rest.npos) return;
    std::string_view query = p.rest.substr(q + 1);
    p.rest = p.rest.substr(0, q);
    while (!query.empty()) {
        std::size_t end = std::min(query.find('&'), query.size());
        std::string_view pair = query.substr(0, end);
        std::size_t eq = pair.find('=');
        auto v = decoded(eq == pair.npos ? std::string_view() : pair.substr(eq + 1));
        if (!v) unknown(p.shown, "its query has a broken percent sign");
        p.query[std::string(pair.substr(0, eq))] = *v;
        query.remove_prefix(std::min(end + 1, query.size()));
    }
}

payload_format format_from(parts& p) {
    auto found = p.query.find("serializer");
    if (found == p.query.end()) return payload_format::pickle;
    std::string v = found->second;
    p.query.erase(found);
    if (v == "pickle") return payload_format::pickle;
    if (v == "json") return payload_format::json;
    unknown(p.shown, fmt::format("the serializer '{}' is not known (pickle or json)", v));
}

int database_from(parts& p, std::optional<std::string_view> path) {
    auto found = p.query.find("db");
    std::string text = "0";
    if (path && !path->empty()) text = std::string(*path);
    if (found != p.query.end()) {
        text = found->second;
        p.query.erase(found);
    }
    auto db = number(text, 1'000'000);
    if (!db) unknown(p.shown, fmt::format("'{}' is no number of a Redis database", text));
    return *db;
}

void nothing_left(const parts& p) {
    if (!p.query.empty())
        unknown(p.shown,
                fmt::format("the option '{}' is not known (serializer, db)", p.query.begin()->first));
}

}  // namespace

std::unique_ptr<job_store> open_store(std::string_view url, store_options options) {
    parts p;
    p.shown = without_password(url);
    for (char c : url)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) unknown("...", "it has control bytes");
    auto begins = [&](std::string_view with) {
        if (!url.starts_with(with)) return false;
        p.rest = url.substr(with.size());
        return true;
    };
    if (begins("sqlite:")) {
        split_query(p);
        payload_format format = format_from(p);
        nothing_left(p);
        if (p.rest.starts_with("//")) {
            p.rest.remove_prefix(2);
            if (!p.rest.starts_with("/"))
                unknown(p.shown, "a host does not belong there (three slashes: sqlite:///path)");
        }
        auto path = decoded(p.rest);
        if (!path) unknown(p.shown, "its path has a broken percent sign");
        if (path->empty() || path->back() == '/') unknown(p.shown, "it names no file");
        return std::make_unique<detail::sqlite_store>(*path, std::move(options), format);
    }
    if (begins("unix://")) {
        split_query(p);
        payload_format format = format_from(p);
        detail::redis_address address;
        address.shown = p.shown;
        address.database = database_from(p, std::nullopt);
        for (auto [name, into] :
             {std::pair{"username", &address.user}, std::pair{"password", &address.password}})
            if (auto found = p.query.find(name); found != p.query.end()) {
                *into = found->second;
                p.query.erase(found);
                address.shown = fmt::format("unix://{}", p.rest);
            }
        nothing_left(p);
        auto path = decoded(p.rest);
        if (!path || path->empty() || path->front() != '/')
            unknown(address.shown, "it names no socket by an absolute path");
        address.socket = *path;
        return std::make_unique<detail::redis_store>(std::move(address), std::move(options), format);
    }
    if (begins("rediss://"))
        unknown(p.shown,
                "TLS to Redis is not supported; use a tunnel that ends on this host, or a Unix socket");
    if (begins("redis://")) {
        split_query(p);
        payload_format format = format_from(p);
        detail::redis_address address;
        address.shown = p.shown;
        std::string_view authority = p.rest.substr(0, p.rest.find('/'));
        std::string_view path = p.rest.substr(authority.size());
        if (!path.empty()) path.remove_prefix(1);
        if (std::size_t at = authority.rfind('@'); at != authority.npos) {
            std::string_view login = authority.substr(0, at);
            authority.remove_prefix(at + 1);
            std::size_t colon = login.find(':');
            auto user = decoded(login.substr(0, colon));
            auto password = decoded(colon == login.npos ? std::string_view() : login.substr(colon + 1));
            if (!user || !password || login.find('@') != login.npos)
                unknown(p.shown, "user or password are not well encoded (write @ as %40 and % as %25)");
            address.user = *user;
            address.password = *password;
        }
        address.port = 6379;
        if (authority.starts_with('[')) {
            std::size_t end = authority.find(']');
            if (end == authority.npos) unknown(p.shown, "its address has no closing bracket");
            address.host = std::string(authority.substr(1, end - 1));
            authority.remove_prefix(end + 1);
        } else {
            std::size_t colon = std::min(authority.find(':'), authority.size());
            address.host = std::string(authority.substr(0, colon));
            authority.remove_prefix(colon);
        }
        if (!authority.empty()) {
            auto port = authority.front() == ':' ? number(authority.substr(1), 65535) : std::nullopt;
            if (!port || *port == 0) unknown(p.shown, "its port is no number from 1 to 65535");
            address.port = static_cast<std::uint16_t>(*port);
        }
        if (address.host.empty()) address.host = "localhost";
        address.database = database_from(p, path);
        nothing_left(p);
        return std::make_unique<detail::redis_store>(std::move(address), std::move(options), format);
    }
    std::size_t colon = url.find(':');
    if (colon == url.npos) unknown(p.shown, "it has no scheme");
    unknown(p.shown, fmt::format("the scheme '{}' is not known", url.substr(0, colon)));
}

}  // namespace simul
