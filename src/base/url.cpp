#include <simul/base/url.hpp>

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>

namespace simul {

struct url::parts {
    std::string scheme;
    std::optional<std::string> userinfo;
    std::string host;        // IPv6 without brackets, "%zone" after it
    std::uint16_t port = 0;  // 0: none, or the default one
    std::string path;
    std::optional<std::string> query;
    std::optional<std::string> fragment;
};

namespace {

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_unreserved(char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}
bool is_sub_delimiter(char c) { return std::string_view("!$&'()*+,;=").find(c) != std::string_view::npos; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// What may stand unencoded in the parts of a URL (RFC 3986, appendix A).
bool in_segment(char c) { return is_unreserved(c) || is_sub_delimiter(c) || c == ':' || c == '@'; }
bool in_path(char c) { return in_segment(c) || c == '/'; }
bool in_query(char c) { return in_segment(c) || c == '/' || c == '?'; }
bool in_userinfo(char c) { return is_unreserved(c) || is_sub_delimiter(c) || c == ':'; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = lower(c);
    return result;
}

unsigned hex_value(char c) {
    if (is_digit(c)) return static_cast<unsigned>(c - '0');
    return static_cast<unsigned>(lower(c) - 'a' + 10);
}

bool is_escape(std::string_view text, std::size_t at) {
    return at + 2 < text.size() && is_hex(text[at + 1]) && is_hex(text[at + 2]);
}

void append_escape(std::string& out, char c) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4];
    out += digits[byte & 15];
}

// Data: every '%' is a percent sign.
std::string encode_data(std::string_view text, bool (*allowed)(char)) {
    std::string out;
    out.reserve(text.size());
    for (char c : text) {
        if (allowed(c))
            out += c;
        else
            append_escape(out, c);
    }
    return out;
}

std::uint16_t default_port(std::string_view scheme) {
    if (scheme == "http" || scheme == "ws") return 80;
    if (scheme == "https" || scheme == "wss") return 443;
    if (scheme == "redis" || scheme == "rediss") return 6379;
    return 0;
}

bool has_default_port(std::string_view scheme, std::uint16_t port) {
    return port != 0 && port == default_port(scheme);
}

// The schemes that RFC 9110 and RFC 6455 define: they need a host, and their empty path is "/".
bool is_web(std::string_view scheme) {
    return scheme == "http" || scheme == "https" || scheme == "ws" || scheme == "wss";
}

/// The text being parsed, to say where in it an error is without showing what may be a password.
class source {
  public:
    explicit source(std::string_view text) : text_(text) {}

    [[noreturn]] void fail(std::size_t position, std::string_view reason) const {
        throw url_error(fmt::format("url \"{}\": {} (at byte {})", shown(), reason, position), position);
    }

  private:
    // Whatever stands between "//" and the last '@' may hold a password, even where it is not in the right
    // place; without an '@' an authority with a colon is left out, because in "redis://:secret/0" the
    // password is where the port belongs, unless what follows the colon can only be meant as a port.
    std::string shown() const {
        constexpr std::size_t longest = 120;
        const std::size_t slashes = text_.find("//");
        std::size_t begin = slashes == std::string_view::npos ? 0 : slashes + 2;
        std::size_t end = text_.rfind('@');
        if (end != std::string_view::npos) {
            if (end < begin) begin = 0;
        } else if (slashes != std::string_view::npos) {
            end = std::min(text_.find_first_of("/?#", begin), text_.size());
            if (is_host_and_port(text_.substr(begin, end - begin))) end = begin;
        } else {
            end = begin;
        }
        std::string result(text_.substr(0, begin));
        if (begin != end) result += "***";
        result += text_.substr(end);
        if (result.size() > longest) result.replace(longest, std::string::npos, "...");
        for (char& c : result)
            if (is_control(c)) c = '?';
        return result;
    }

    static bool is_host_and_port(std::string_view authority) {
        constexpr std::size_t digits_max = 5;
        const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
        if (bracket == std::string_view::npos) return false;
        const std::size_t colon = authority.find(':', bracket);
        if (colon == std::string_view::npos) return true;
        const std::string_view port = authority.substr(colon + 1);
        return colon > 0 && port.size() <= digits_max && std::all_of(port.begin(), port.end(), is_digit);
    }

    std::string_view text_;
};

// Text as it was written: escapes stay, what may not stand there is encoded. `offset` is where it stands in
// the source.
std::string encode_text(std::string_view text, bool (*allowed)(char), const source& from,
                        std::size_t offset) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '%') {
            if (!is_escape(text, i))
                from.fail(offset + i,
                          "'%' is not followed by two hex digits; a plain percent sign is written %25");
            out += c;
        } else if (allowed(c)) {
            out += c;
        } else {
            append_escape(out, c);
        }
    }
    return out;
}

// 1 for ".", 2 for "..", each dot also as %2e, which servers treat alike; else 0.
int dots_of_segment(std::string_view segment) {
    int dots = 0;
    for (std::size_t i = 0; i < segment.size(); ++dots) {
        if (segment[i] == '.') {
            ++i;
        } else if (segment[i] == '%' && segment.size() - i >= 3 && segment[i + 1] == '2' &&
                   lower(segment[i + 2]) == 'e') {
            i += 3;
        } else {
            return 0;
        }
    }
    return dots <= 2 ? dots : 0;
}

// RFC 3986, 5.2.4, for a path that is empty or begins with '/'.
std::string without_dot_segments(std::string_view path) {
    std::string out;
    out.reserve(path.size());
    std::size_t begin = 0;
    while (begin < path.size()) {
        const std::size_t end = std::min(path.find('/', begin + 1), path.size());
        const std::string_view segment = path.substr(begin + 1, end - begin - 1);
        const int dots = dots_of_segment(segment);
        if (dots == 2) out.resize(out.empty() ? 0 : out.rfind('/'));
        if (dots == 0) out.append(path.substr(begin, end - begin));
        if (dots != 0 && end == path.size()) out += '/';  // "/a/." and "/a/b/.." are the folder "/a/"
        begin = end;
    }
    return out;
}

bool is_ipv4(std::string_view host) {
    int numbers = 0;
    std::size_t i = 0;
    while (i < host.size()) {
        const std::size_t begin = i;
        unsigned value = 0;
        while (i < host.size() && is_digit(host[i]) && i - begin < 4)
            value = value * 10 + hex_value(host[i++]);
        const std::size_t digits = i - begin;
        if (digits == 0 || digits > 3 || value > 255 || (digits > 1 && host[begin] == '0')) return false;
        ++numbers;
        if (i == host.size()) return numbers == 4;
        if (host[i++] != '.') return false;
    }
    return false;
}

// What inet_aton() and with it many programs read as a number: "2130706433", "0x7f.1", "127.1".
bool ends_in_number(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);
    std::string_view last = host.substr(host.rfind('.') + 1);
    if (last.empty()) return false;
    if (last.size() >= 2 && last[0] == '0' && lower(last[1]) == 'x') {
        last.remove_prefix(2);
        return std::all_of(last.begin(), last.end(), is_hex);
    }
    return std::all_of(last.begin(), last.end(), is_digit);
}

std::string parse_ipv6(std::string_view literal, const source& from, std::size_t offset) {
    const std::size_t percent = literal.find('%');
    const std::string address(literal.substr(0, percent));
    std::array<unsigned char, 16> binary{};
    std::array<char, 48> canonical{};
    if (::inet_pton(AF_INET6, address.c_str(), binary.data()) != 1 ||
        ::inet_ntop(AF_INET6, binary.data(), canonical.data(), canonical.size()) == nullptr)
        from.fail(offset, "the text in brackets is no IPv6 address");
    std::string result = canonical.data();
    if (percent != std::string_view::npos) {  // RFC 6874: "%25" and the zone
        const std::string_view zone = literal.substr(percent);
        if (!zone.starts_with("%25") || zone.size() == 3 ||
            !std::all_of(zone.begin() + 3, zone.end(), is_unreserved))
            from.fail(offset + percent, "the zone of an IPv6 address is written %25NAME");
        result += '%';
        result += zone.substr(3);
    }
    return result;
}

std::string parse_host_name(std::string_view text, const source& from, std::size_t offset) {
    constexpr std::size_t name_size_max = 253;
    constexpr std::size_t label_size_max = 63;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (static_cast<unsigned char>(c) >= 0x80)
            from.fail(offset + i, "the host name is not ASCII; write it in its ASCII form (\"xn--...\")");
        if (c == '%') from.fail(offset + i, "percent-encoding is not allowed in a host name");
        if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '.' && c != '_')
            from.fail(offset + i, fmt::format("'{}' is not allowed in a host name", c));
    }
    if (ends_in_number(text) && !is_ipv4(text))
        from.fail(offset, "an IPv4 address is written as four decimal numbers (\"127.0.0.1\")");

    const std::string_view name = text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
    if (name.size() > name_size_max) from.fail(offset, "the host name is longer than 253 bytes");
    for (std::size_t begin = 0; begin <= name.size();) {
        const std::size_t end = std::min(name.find('.', begin), name.size());
        if (end == begin) from.fail(offset + begin, "the host name has an empty label");
        if (end - begin > label_size_max)
            from.fail(offset + begin, "a label of the host name is longer than 63 bytes");
        begin = end + 1;
    }
    return lower(text);
}

// "[...]", an IPv4 address or a name.
std::string parse_host(std::string_view text, const source& from, std::size_t offset) {
    if (text.empty()) return {};
    if (text.front() != '[') return parse_host_name(text, from, offset);
    if (text.back() != ']') from.fail(offset, "the bracket of the IPv6 address is not closed");
    return parse_ipv6(text.substr(1, text.size() - 2), from, offset + 1);
}

std::uint16_t parse_port(std::string_view text, const source& from, std::size_t offset) {
    unsigned value = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!is_digit(text[i])) from.fail(offset + i, "the port is not a number");
        value = value * 10 + hex_value(text[i]);
        if (value > 65535) from.fail(offset, "the port is larger than 65535");
    }
    if (value == 0) from.fail(offset, "port 0 cannot be connected to");
    return static_cast<std::uint16_t>(value);
}

bool is_scheme(std::string_view text) {
    return !text.empty() && is_alpha(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
        return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
    });
}

// The scheme that `text` begins with, or an empty text.
std::string_view scheme_of(std::string_view text) {
    const std::size_t end = text.find_first_of(":/?#");
    if (end == std::string_view::npos || text[end] != ':' || !is_scheme(text.substr(0, end))) return {};
    return text.substr(0, end);
}

void check_bytes(std::string_view text, const source& from) {
    if (text.size() > url::size_max)
        from.fail(url::size_max, fmt::format("longer than {} bytes", url::size_max));
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_control(text[i]))
            from.fail(i, fmt::format("contains the control byte 0x{:02x}", static_cast<unsigned>(text[i])));
        if (text[i] == '\\') from.fail(i, "contains a backslash; write '/', or %5C if it is data");
    }
}

std::string_view after(std::string_view text, std::size_t position) {
    return text.substr(std::min(position, text.size()));
}

std::string display_host(const std::string& host, bool with_zone) {
    if (host.find(':') == std::string::npos) return host;
    const std::size_t percent = host.find('%');
    if (percent == std::string::npos) return '[' + host + ']';
    if (!with_zone) return '[' + host.substr(0, percent) + ']';
    return '[' + host.substr(0, percent) + "%25" + host.substr(percent + 1) + ']';
}

// Splits "path?query#fragment" and encodes each; `out` is a url::parts.
template <class Parts>
void parse_after_authority(std::string_view text, const source& from, std::size_t offset, Parts& out) {
    const std::size_t hash = std::min(text.find('#'), text.size());
    const std::size_t mark = std::min(text.substr(0, hash).find('?'), hash);
    out.path = encode_text(text.substr(0, mark), in_path, from, offset);
    if (mark < hash)
        out.query = encode_text(text.substr(mark + 1, hash - mark - 1), in_query, from, offset + mark + 1);
    if (hash < text.size())
        out.fragment = encode_text(text.substr(hash + 1), in_query, from, offset + hash + 1);
}

// "user:password@host:port"
template <class Parts>
void parse_authority(std::string_view text, const source& from, std::size_t offset, Parts& out) {
    const std::size_t at = text.find('@');
    if (at != std::string_view::npos) {
        const std::size_t second = text.find('@', at + 1);
        if (second != std::string_view::npos)
            from.fail(offset + second, "a second '@'; an '@' in a user name or password is written %40");
        out.userinfo = encode_text(text.substr(0, at), in_userinfo, from, offset);
        text.remove_prefix(at + 1);
        offset += at + 1;
    }
    const std::size_t bracket = text.starts_with('[') ? text.find(']') : 0;
    if (bracket == std::string_view::npos) from.fail(offset, "the bracket of the IPv6 address is not closed");
    const std::size_t colon = text.find(':', bracket);
    const std::string_view host = text.substr(0, colon);
    if (bracket != 0 && bracket + 1 != host.size())
        from.fail(offset + bracket + 1, "only a port may follow the IPv6 address");
    if (colon != std::string_view::npos && colon + 1 < text.size())
        out.port = parse_port(text.substr(colon + 1), from, offset + colon + 1);
    out.host = parse_host(host, from, offset);
    if (out.host.empty() && is_web(out.scheme)) from.fail(offset, "the host is missing");
}

}  // namespace

url::parts url::parse(std::string_view text) {
    const source from(text);
    check_bytes(text, from);

    parts result;
    const std::string_view scheme = scheme_of(text);
    if (scheme.empty()) from.fail(0, "the scheme is missing; begin with \"https://\" or the like");
    result.scheme = lower(scheme);

    const std::size_t authority_begin = scheme.size() + 3;
    if (!text.substr(scheme.size()).starts_with("://"))
        from.fail(scheme.size(), "\"://\" must follow the scheme");
    const std::size_t authority_end = std::min(text.find_first_of("/?#", authority_begin), text.size());
    parse_authority(text.substr(authority_begin, authority_end - authority_begin), from, authority_begin,
                    result);
    parse_after_authority(text.substr(authority_end), from, authority_end, result);
    return result;
}

url::url(std::string_view text) : url(parse(text)) {}

// The only place where the text is put together; it makes every url normal whatever it was built from.
url::url(const parts& p)
    : userinfo_(p.userinfo),
      host_(p.host),
      port_(has_default_port(p.scheme, p.port) ? std::uint16_t{0} : p.port) {
    const auto here = [this] { return static_cast<std::uint32_t>(text_.size()); };
    text_ = p.scheme;
    scheme_size_ = here();
    text_ += "://";
    text_ += display_host(host_, true);
    if (port_ != 0) text_ += fmt::format(":{}", port_);
    path_begin_ = here();
    text_ += p.path.empty() && is_web(p.scheme) ? "/" : without_dot_segments(p.path);
    path_end_ = here();
    if (p.query) text_.append(1, '?').append(*p.query);
    query_end_ = here();
    if (p.fragment) text_.append(1, '#').append(*p.fragment);
    if (text_.size() > 3 * size_max)  // every byte of the longest accepted text encoded
        throw url_error(fmt::format("url of scheme \"{}\": longer than {} bytes", p.scheme, 3 * size_max),
                        3 * size_max);
}

url::parts url::take_apart() const {
    parts p;
    p.scheme = scheme();
    p.userinfo = userinfo_;
    p.host = host_;
    p.port = port_;
    p.path = path();
    if (has_query()) p.query = query();
    if (has_fragment()) p.fragment = fragment();
    return p;
}

std::optional<url> url::try_parse(std::string_view text) {
    try {
        return url(text);
    } catch (const url_error&) {
        return std::nullopt;
    }
}

std::optional<std::uint16_t> url::port() const noexcept {
    return port_ == 0 ? std::nullopt : std::optional<std::uint16_t>(port_);
}

std::uint16_t url::port_or_default() const noexcept { return port_ != 0 ? port_ : default_port(scheme()); }

std::string url::host_header() const {
    std::string result = display_host(host_, false);
    if (port_ != 0) result += fmt::format(":{}", port_);
    return result;
}

std::string url::decoded_path() const {
    std::string result = percent_decode(path());
    if (result.find('\0') != std::string::npos)
        throw url_error(fmt::format("url \"{}\": the path contains %00 and is no file name", text_),
                        path_begin_);
    return result;
}

std::vector<std::string> url::segments() const {
    std::vector<std::string> result;
    const std::string_view all = path();
    for (std::size_t begin = 1; begin <= all.size();) {
        const std::size_t end = std::min(all.find('/', begin), all.size());
        result.push_back(percent_decode(all.substr(begin, end - begin)));
        begin = end + 1;
    }
    return result;
}

std::vector<std::pair<std::string, std::string>> url::query_pairs() const {
    const auto decode = [](std::string_view encoded) {
        std::string text(encoded);
        std::replace(text.begin(), text.end(), '+', ' ');
        return percent_decode(text);
    };
    std::vector<std::pair<std::string, std::string>> result;
    std::string_view rest = query();
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('&'), rest.size());
        const std::string_view pair = rest.substr(0, end);
        const std::size_t equals = std::min(pair.find('='), pair.size());
        if (!pair.empty())
            result.emplace_back(decode(pair.substr(0, equals)), decode(after(pair, equals + 1)));
        rest = after(rest, end + 1);
    }
    return result;
}

std::optional<std::string> url::query_value(std::string_view name) const {
    for (auto& [key, value] : query_pairs())
        if (key == name) return std::move(value);
    return std::nullopt;
}

std::string url::user() const {
    if (!userinfo_) return {};
    return percent_decode(std::string_view(*userinfo_).substr(0, userinfo_->find(':')));
}

std::optional<std::string> url::password() const {
    if (!userinfo_) return std::nullopt;
    const std::size_t colon = userinfo_->find(':');
    if (colon == std::string::npos) return std::nullopt;
    return percent_decode(std::string_view(*userinfo_).substr(colon + 1));
}

std::string url::string_with_userinfo() const {
    if (!userinfo_) return text_;
    const std::size_t authority = scheme_size_ + 3U;
    return text_.substr(0, authority) + *userinfo_ + '@' + text_.substr(authority);
}

url url::append_segment(std::string_view segment) const {
    if (segment == "." || segment == "..")
        throw url_error(fmt::format("url \"{}\": a segment of a path cannot be \"{}\"", text_, segment),
                        path_end_);
    parts p = take_apart();
    if (!p.path.ends_with('/')) p.path += '/';
    p.path += encode_data(segment, in_segment);
    return url(p);
}

url url::append_pair(std::string_view name, std::string_view value) const {
    parts p = take_apart();
    std::string& query = p.query ? *p.query : p.query.emplace();
    if (!query.empty()) query += '&';
    query += encode_data(name, is_unreserved);
    query += '=';
    query += encode_data(value, is_unreserved);
    return url(p);
}

url url::with_scheme(std::string_view scheme) const {
    const source from(scheme);
    if (!is_scheme(scheme)) from.fail(0, "not a scheme");
    parts p = take_apart();
    p.scheme = lower(scheme);
    if (p.host.empty() && is_web(p.scheme)) from.fail(0, "this scheme needs a host");
    return url(p);
}

url url::with_host(std::string_view host) const {
    const source from(host);
    check_bytes(host, from);
    parts p = take_apart();
    p.host = parse_host(host, from, 0);
    if (p.host.empty() && is_web(p.scheme)) from.fail(0, "the host is missing");
    return url(p);
}

url url::with_port(std::uint16_t port) const {
    if (port == 0) source(text_).fail(0, "port 0 cannot be connected to");
    parts p = take_apart();
    p.port = port;
    return url(p);
}

url url::with_path(std::string_view path) const {
    const source from(path);
    check_bytes(path, from);
    if (!path.starts_with('/') && !(path.empty() && !is_web(scheme())))
        from.fail(0, "a path begins with '/'");
    parts p = take_apart();
    p.path = encode_text(path, in_path, from, 0);
    return url(p);
}

url url::with_query(std::string_view query) const {
    const source from(query);
    check_bytes(query, from);
    parts p = take_apart();
    p.query = encode_text(query, in_query, from, 0);
    return url(p);
}

url url::without_query() const {
    parts p = take_apart();
    p.query.reset();
    return url(p);
}

url url::with_fragment(std::string_view fragment) const {
    const source from(fragment);
    check_bytes(fragment, from);
    parts p = take_apart();
    p.fragment = encode_text(fragment, in_query, from, 0);
    return url(p);
}

url url::without_fragment() const {
    parts p = take_apart();
    p.fragment.reset();
    return url(p);
}

url url::with_userinfo(std::string_view user, std::optional<std::string_view> password) const {
    parts p = take_apart();
    p.userinfo = encode_data(user, is_unreserved);
    if (password) p.userinfo->append(1, ':').append(encode_data(*password, is_unreserved));
    return url(p);
}

url url::without_userinfo() const {
    url result = *this;
    result.userinfo_.reset();
    return result;
}

url url::resolve(std::string_view reference) const {
    if (!scheme_of(reference).empty()) return url(reference);

    const source from(reference);
    check_bytes(reference, from);
    parts p;
    p.scheme = scheme();
    if (reference.starts_with("//")) {
        const std::size_t end = std::min(reference.find_first_of("/?#", 2), reference.size());
        parse_authority(reference.substr(2, end - 2), from, 2, p);
        parse_after_authority(reference.substr(end), from, end, p);
        return url(p);
    }
    p.userinfo = userinfo_;
    p.host = host_;
    p.port = port_;
    parse_after_authority(reference, from, 0, p);
    if (p.path.empty()) {
        p.path = path();
        if (!p.query && has_query()) p.query = query();
    } else if (!p.path.starts_with('/')) {
        const std::string_view folder = path().substr(0, path().rfind('/') + 1);
        p.path.insert(0, folder.empty() ? "/" : folder);
    }
    return url(p);
}

url url::redirected_to(std::string_view location) const {
    parts p = resolve(location).take_apart();
    const bool names_authority = location.starts_with("//") || !scheme_of(location).empty();
    if (names_authority) {
        if (p.userinfo) source(location).fail(0, "a redirect must not bring a user name or password");
        if (same_origin(url(p))) p.userinfo = userinfo_;
    }
    if (!p.fragment && has_fragment()) p.fragment = fragment();
    return url(p);
}

std::string url::origin() const { return text_.substr(0, path_begin_); }

bool url::same_origin(const url& other) const noexcept {
    return part(0, path_begin_) == other.part(0, other.path_begin_);
}

std::ostream& operator<<(std::ostream& out, const url& u) { return out << u.safe_string(); }

std::string percent_encode(std::string_view text) { return encode_data(text, is_unreserved); }

std::string percent_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (!is_escape(text, i))
            throw url_error(
                fmt::format("percent-encoded text: '%' is not followed by two hex digits (at byte {})", i),
                i);
        out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
        i += 2;
    }
    return out;
}

}  // namespace simul
