#include <simul/jobs/error.hpp>
#include <simul/jobs/store.hpp>
#include <simul/net/tls_context.hpp>
#include <simul/redis/client.hpp>

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
    "sqlite:///absolute/path/jobs.db, sqlite:relative/jobs.db, redis://host:6379/0, rediss://host:6379/0 "
    "(TLS) "
    "or unix:///path/to/redis.sock";

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

// "?password=secret" -> "?password=***", and so sentinel_password.
std::string without_secrets_in_query(std::string url) {
    constexpr std::string_view word = "password=";
    for (std::size_t at = url.find('?'); at != url.npos;) {
        at = url.find(word, at);
        if (at == url.npos) break;
        at += word.size();
        const std::size_t end = std::min(url.find('&', at), url.size());
        url.replace(at, end - at, "***");
    }
    return url;
}

// "user:secret@host" -> "user:***@host": what may be shown.
std::string without_login_secret(std::string_view url) {
    std::size_t start = url.find("://");
    std::size_t at = url.rfind('@');
    if (start == url.npos || at == url.npos || at < start) return std::string(url);
    std::size_t colon = url.find(':', start + 3);
    if (colon == url.npos || colon > at)
        return std::string(url.substr(0, start + 3)) + "***" + std::string(url.substr(at));
    return std::string(url.substr(0, colon + 1)) + "***" + std::string(url.substr(at));
}

std::string without_password(std::string_view url) {
    return without_secrets_in_query(without_login_secret(url));
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

std::string taken_from(parts& p, std::string_view name) {
    auto found = p.query.find(name);
    if (found == p.query.end()) return {};
    std::string text = std::move(found->second);
    p.query.erase(found);
    return text;
}

// The names are redis-py's, which RQ's users have in their URLs.
tls_context tls_from(parts& p) {
    tls_client_options o;
    o.authorities_file = taken_from(p, "ssl_ca_certs");
    o.system_authorities = o.authorities_file.empty();  // who names an authority means no other
    o.certificate_file = taken_from(p, "ssl_certfile");
    o.key_file = taken_from(p, "ssl_keyfile");
    if (o.certificate_file.empty() != o.key_file.empty())
        unknown(p.shown, "ssl_certfile and ssl_keyfile belong together");
    const std::string required = taken_from(p, "ssl_cert_reqs");
    if (!required.empty() && required != "required" && required != "none")
        unknown(p.shown, fmt::format("ssl_cert_reqs={} is not known (required or none)", required));
    if (const std::string check = taken_from(p, "ssl_check_hostname");
        !check.empty() && check != "true" && check != "True")
        unknown(p.shown, "the server's name is always checked; write a name that its certificate is for");
    const tls_context context = tls_context::client(o);
    return required == "none" ? context.insecure() : context;
}

void nothing_left(const parts& p, bool tls = false, bool sentinel = false) {
    if (!p.query.empty())
        unknown(p.shown,
                fmt::format("the option '{}' is not known (serializer, db{}{})", p.query.begin()->first,
                            tls ? ", ssl_ca_certs, ssl_certfile, ssl_keyfile, ssl_cert_reqs" : "",
                            sentinel ? ", sentinel_username, sentinel_password" : ""));
}

struct redis_scheme {
    std::string_view begins;
    bool tls;
    bool sentinel;
};
constexpr redis_scheme redis_schemes[] = {{"redis://", false, false},
                                          {"rediss://", true, false},
                                          {"redis+sentinel://", false, true},
                                          {"rediss+sentinel://", true, true}};

// Takes "user:password@" off.
std::string_view without_login(const parts& p, std::string_view authority, redis::client_options& server) {
    const std::size_t at = authority.rfind('@');
    if (at == authority.npos) return authority;
    const std::string_view login = authority.substr(0, at);
    const std::size_t colon = login.find(':');
    auto user = decoded(login.substr(0, colon));
    auto password = decoded(colon == login.npos ? std::string_view() : login.substr(colon + 1));
    if (!user || !password || login.find('@') != login.npos)
        unknown(p.shown, "user or password are not well encoded (write @ as %40 and % as %25)");
    server.user = *user;
    server.password = *password;
    return authority.substr(at + 1);
}

redis::sentinel_options::address place_from(const parts& p, std::string_view text, std::uint16_t port) {
    redis::sentinel_options::address place{"localhost", port};
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == text.npos) unknown(p.shown, "its address has no closing bracket");
        place.host = std::string(text.substr(1, end - 1));
        text.remove_prefix(end + 1);
    } else {
        const std::size_t colon = std::min(text.find(':'), text.size());
        if (colon != 0) place.host = std::string(text.substr(0, colon));
        text.remove_prefix(colon);
    }
    if (!text.empty()) {
        auto n = text.front() == ':' ? number(text.substr(1), 65535) : std::nullopt;
        if (!n || *n == 0) unknown(p.shown, "its port is no number from 1 to 65535");
        place.port = static_cast<std::uint16_t>(*n);
    }
    return place;
}

// "a:26379,b,c" and "primary/0"; what is left of `path` is the database.
redis::sentinel_options sentinels_from(parts& p, std::string_view hosts, std::string_view& path) {
    redis::sentinel_options s;
    while (true) {
        const std::size_t end = std::min(hosts.find(','), hosts.size());
        if (end == 0) unknown(p.shown, "it names no sentinel between two commas or before the path");
        s.addresses.push_back(place_from(p, hosts.substr(0, end), 26379));
        if (end == hosts.size()) break;
        hosts.remove_prefix(end + 1);
    }
    const std::size_t end = std::min(path.find('/'), path.size());
    auto primary = decoded(path.substr(0, end));
    if (!primary || primary->empty())
        unknown(p.shown,
                "it does not name what the sentinels watch (redis+sentinel://host:26379/mymaster/0)");
    s.primary = *primary;
    path.remove_prefix(std::min(end + 1, path.size()));
    s.user = taken_from(p, "sentinel_username");
    s.password = taken_from(p, "sentinel_password");
    return s;
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
        address.server.database = database_from(p, std::nullopt);
        const bool login = p.query.contains("username") || p.query.contains("password");
        address.server.user = taken_from(p, "username");
        address.server.password = taken_from(p, "password");
        if (login) address.shown = fmt::format("unix://{}", p.rest);
        nothing_left(p);
        auto path = decoded(p.rest);
        if (!path || path->empty() || path->front() != '/')
            unknown(address.shown, "it names no socket by an absolute path");
        address.server.socket = *path;
        return std::make_unique<detail::redis_store>(std::move(address), std::move(options), format);
    }
    for (const auto& [scheme, tls, sentinel] : redis_schemes) {
        if (!begins(scheme)) continue;
        split_query(p);
        payload_format format = format_from(p);
        detail::redis_address address;
        address.shown = p.shown;
        std::string_view authority = p.rest.substr(0, p.rest.find('/'));
        std::string_view path = p.rest.substr(authority.size());
        if (!path.empty()) path.remove_prefix(1);
        authority = without_login(p, authority, address.server);
        if (sentinel) {
            address.server.sentinel = sentinels_from(p, authority, path);
        } else {
            const auto [host, port] = place_from(p, authority, 6379);
            address.server.host = host;
            address.server.port = port;
        }
        address.server.database = database_from(p, path);
        if (tls) address.server.tls = tls_from(p);
        nothing_left(p, tls, sentinel);
        return std::make_unique<detail::redis_store>(std::move(address), std::move(options), format);
    }
    std::size_t colon = url.find(':');
    if (colon == url.npos) unknown(p.shown, "it has no scheme");
    unknown(p.shown, fmt::format("the scheme '{}' is not known", url.substr(0, colon)));
}

}  // namespace simul
