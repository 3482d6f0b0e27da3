#include <simul/base/error.hpp>
#include <simul/jobs/record.hpp>

#include <fmt/format.h>

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fstream>
#include <iterator>

namespace simul {
namespace {

std::array<unsigned char, 16> random_uuid() {
    std::array<unsigned char, 16> b{};
    std::size_t have = 0;
    while (have < b.size()) {
        ssize_t n = ::getrandom(b.data() + have, b.size() - have, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw_errno(errno, "getrandom");
        have += static_cast<std::size_t>(n);
    }
    b[6] = static_cast<unsigned char>((b[6] & 0x0fu) | 0x40u);
    b[8] = static_cast<unsigned char>((b[8] & 0x3fu) | 0x80u);
    return b;
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string first_line(const char* path) {
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);
    return line;
}

std::string link_target(const char* path) {
    char buffer[256];
    ssize_t n = ::readlink(path, buffer, sizeof buffer);
    return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
}

// Field 22 of /proc/PID/stat. The second field is the command in parentheses and may hold anything, so the
// count begins behind the last ')'. -1: there is no such process; 0: it is there but cannot be read.
std::int64_t start_ticks(std::int64_t pid) {
    std::ifstream in(fmt::format("/proc/{}/stat", pid));
    if (!in) return ::access("/proc/self/stat", R_OK) == 0 ? -1 : 0;
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    std::size_t at = text.rfind(')');
    if (at == std::string::npos) return 0;
    if (at + 2 < text.size() && (text[at + 2] == 'Z' || text[at + 2] == 'X'))
        return -1;  // a zombie runs no jobs
    int field = 2;
    for (++at; at < text.size() && field < 22; ++at)
        if (text[at] == ' ') ++field;
    return std::strtoll(text.c_str() + at, nullptr, 10);
}

}  // namespace

std::optional<job_status> job_status_from(std::string_view word) noexcept {
    for (std::size_t i = 0; i < job_status_names.size(); ++i)
        if (job_status_names[i] == word) return static_cast<job_status>(i);
    return std::nullopt;
}

std::chrono::seconds retry_pause(const std::vector<std::chrono::seconds>& intervals,
                                 int retries_left) noexcept {
    if (intervals.empty()) return std::chrono::seconds(0);
    std::size_t left = retries_left > 0 ? static_cast<std::size_t>(retries_left) : 0;
    std::size_t index = intervals.size() > left ? intervals.size() - left : 0;
    return intervals[std::min(index, intervals.size() - 1)];
}

process_identity this_process() {
    process_identity p;
    char host[HOST_NAME_MAX + 1] = {};
    ::gethostname(host, HOST_NAME_MAX);
    p.host = host;
    p.boot = first_line("/proc/sys/kernel/random/boot_id");
    p.pid_namespace = link_target("/proc/self/ns/pid");
    p.pid = ::getpid();
    p.started = std::max<std::int64_t>(start_ticks(p.pid), 0);
    return p;
}

bool proven_dead(const process_identity& p) {
    process_identity here = this_process();
    if (p.host != here.host || p.pid <= 0 || p.boot.empty()) return false;
    if (p.boot != here.boot) return true;  // the same host was started again
    if (p.pid_namespace.empty() || p.pid_namespace != here.pid_namespace) return false;
    std::int64_t started = start_ticks(p.pid);
    if (started < 0) return true;
    return started > 0 && p.started > 0 && started != p.started;
}

std::string_view to_string(worker_state s) noexcept {
    switch (s) {
        case worker_state::started:
            return "started";
        case worker_state::idle:
            return "idle";
        case worker_state::busy:
            return "busy";
        case worker_state::suspended:
            return "suspended";
    }
    return "started";
}

std::string to_iso(wall_time t) {
    auto day = std::chrono::floor<std::chrono::days>(t);
    std::chrono::year_month_day date(day);
    std::chrono::hh_mm_ss<std::chrono::microseconds> time(t - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       time.hours().count(), time.minutes().count(), time.seconds().count(),
                       time.subseconds().count());
}

std::optional<wall_time> from_iso(std::string_view s) noexcept {
    auto digits = [&](std::size_t at, std::size_t n) -> int {
        int v = 0;
        for (std::size_t i = at; i < at + n; ++i) {
            if (s[i] < '0' || s[i] > '9') return -1;
            v = v * 10 + (s[i] - '0');
        }
        return v;
    };
    if (s.size() < 20 || s.back() != 'Z' || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' ||
        s[16] != ':')
        return std::nullopt;
    int year = digits(0, 4);
    int month = digits(5, 2);
    int dom = digits(8, 2);
    int hour = digits(11, 2);
    int minute = digits(14, 2);
    int second = digits(17, 2);
    if (year < 0 || month < 1 || dom < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
        second < 0 || second > 60)
        return std::nullopt;
    std::int64_t micros = 0;
    if (s.size() > 20) {
        std::size_t n = s.size() - 21;
        if (s[19] != '.' || n < 1 || n > 6) return std::nullopt;
        int fraction = digits(20, n);
        if (fraction < 0) return std::nullopt;
        micros = fraction;
        for (std::size_t i = n; i < 6; ++i) micros *= 10;
    }
    using namespace std::chrono;
    year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                        std::chrono::day(static_cast<unsigned>(dom))};
    if (!date.ok()) return std::nullopt;
    return wall_time(sys_days(date)) + hours(hour) + minutes(minute) + seconds(second) + microseconds(micros);
}

std::string new_job_id() {
    auto b = random_uuid();
    std::string s;
    for (std::size_t i = 0; i < b.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) s += '-';
        fmt::format_to(std::back_inserter(s), "{:02x}", b[i]);
    }
    return s;
}

std::string new_execution_id() {
    std::string s;
    for (unsigned char b : random_uuid()) fmt::format_to(std::back_inserter(s), "{:02x}", b);
    return s;
}

bool valid_job_id(std::string_view id) noexcept {
    return !id.empty() && std::all_of(id.begin(), id.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-';
    });
}

bool valid_queue_name(std::string_view name) noexcept {
    constexpr std::string_view reserved = ":intermediate";
    if (name.empty() || name.size() > 255) return false;
    if (name.size() >= reserved.size() && name.substr(name.size() - reserved.size()) == reserved)
        return false;
    return std::none_of(name.begin(), name.end(), [](char c) { return c == ',' || is_control(c); });
}

bool valid_function_name(std::string_view name) noexcept {
    bool at_start = true;  // of an identifier
    for (char c : name) {
        const bool digit = c >= '0' && c <= '9';
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                            static_cast<unsigned char>(c) >= 0x80;
        if (c == '.' ? at_start : !letter && (!digit || at_start)) return false;
        at_start = c == '.';
    }
    return !at_start;
}

bool valid_worker_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= worker_name_bytes_max &&
           std::none_of(name.begin(), name.end(), is_control);
}

std::string escape_controls(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        // U+0080 to U+009F: terminals take them for commands too.
        const bool c1 = c == '\xc2' && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if (c == '\n')
            out += "\\n";
        else if (c == '\r')
            out += "\\r";
        else if (c == '\t')
            out += "\\t";
        else if (is_control(c))
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
        else if (c1)
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[++i]));
        else
            out += c;
    }
    return out;
}

}  // namespace simul
