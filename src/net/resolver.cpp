#include <simul/net/resolver.hpp>

#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include <simul/base/error.hpp>
#include <simul/loop/blocking.hpp>
#include <simul/loop/home.hpp>

#include "net/socket_address.hpp"

namespace simul {
namespace detail {
namespace {

constexpr std::size_t host_bytes_max = 253;  ///< RFC 1035, as text

/// Refuses what cannot be a name, before getaddrinfo sees it: that would take "0x7f.1" for an address and
/// stop at a zero byte.
void check_host(std::string_view host) {
    const auto refuse = [&](const char* why) { throw data_error(fmt::format("look up a host: {}", why)); };
    if (host.empty()) refuse("the name is empty");
    if (host.size() > host_bytes_max) refuse("the name is longer than 253 bytes");
    for (char c : host) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= 0x20 || byte == 0x7f || c == '/' || c == ':' || c == '@' || c == '%')
            throw data_error(fmt::format("look up a host: byte 0x{:02x} is not allowed in a name", byte));
    }
    std::string_view last = host;
    if (last.ends_with('.')) last.remove_suffix(1);
    if (const auto dot = last.rfind('.'); dot != last.npos) last = last.substr(dot + 1);
    const bool number =
        !last.empty() && std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (number || last.starts_with("0x") || last.starts_with("0X"))
        throw data_error(
            fmt::format("look up {}: its last part is a number, and it is not an IP address", host));
}

std::vector<ip_address> system_look_up(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
    const int error = errno;
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, [](addrinfo* l) {
        if (l != nullptr) ::freeaddrinfo(l);
    });
    if (failed == EAI_SYSTEM) throw_errno(error, "look up " + host);
    if (failed != 0) throw std::system_error(failed, resolver_category(), "look up " + host);
    std::vector<ip_address> found;
    for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
        if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
        socket_address address;
        std::copy_n(reinterpret_cast<const char*>(at->ai_addr), at->ai_addrlen,
                    reinterpret_cast<char*>(&address.storage));
        const ip_address next = address.to_endpoint().address;
        if (std::find(found.begin(), found.end(), next) == found.end()) found.push_back(next);
    }
    return found;
}

}  // namespace

class resolver_state {
  public:
    std::function<std::vector<ip_address>(const std::string&)> look_up = system_look_up;
    std::map<std::string, std::shared_ptr<lookup>, std::less<>> running;
    home on;
};

/// One look-up on a thread, and who waits for it.
class lookup final : public blocking_call {
  public:
    lookup(std::shared_ptr<resolver_state> names, std::string host)
        : names_(std::move(names)), look_up_(names_->look_up), host_(std::move(host)) {}

    void add(resolve_operation& waits) noexcept { waiting_.push_back(waits); }
    void remove(resolve_operation& waits) noexcept {
        static_cast<list_node<lookup_tag>&>(waits).unlink();
        if (!waiting_.empty()) return;
        abandon();
        forget();
    }

  private:
    void call() noexcept override {
        try {
            addresses_ = look_up_(host_);
            if (addresses_.empty())
                throw std::system_error(EAI_NODATA, resolver_category(), "look up " + host_);
        } catch (...) {
            error_ = std::current_exception();
        }
    }
    void tell() noexcept override {
        forget();
        // What was found belongs to the loop from here on: the thread may still hold this object.
        const auto addresses = std::move(addresses_);
        const auto error = std::move(error_);
        while (resolve_operation* waits = waiting_.pop_front()) waits->found(addresses, error);
    }
    void forget() noexcept {
        if (names_ == nullptr) return;
        const auto names = std::move(names_);
        const auto at = names->running.find(host_);
        if (at != names->running.end() && at->second.get() == this) names->running.erase(at);
    }

    std::shared_ptr<resolver_state> names_;  // only touched on the loop
    std::function<std::vector<ip_address>(const std::string&)> look_up_;
    std::string host_;
    std::vector<ip_address> addresses_;
    std::exception_ptr error_;
    intrusive_list<resolve_operation, lookup_tag> waiting_;
};

resolve_operation::resolve_operation(std::shared_ptr<resolver_state> names, std::string host) noexcept
    : names_(std::move(names)), host_(std::move(host)) {}
resolve_operation::resolve_operation(resolve_operation&& other) noexcept
    : leaf_operation<resolve_operation>(), names_(std::move(other.names_)), host_(std::move(other.host_)) {}
resolve_operation::~resolve_operation() = default;

bool resolve_operation::ready() {
    const auto address = ip_address::try_parse(host_);
    if (address) addresses_.push_back(*address);
    return address.has_value();
}

bool resolve_operation::start() {
    check_host(host_);
    if (names_->on.get() != nullptr && names_->on.get() != &on())
        throw std::system_error(
            make_error_code(errc::wrong_loop),
            fmt::format("look up {}: the resolver is used by another event loop already", host_));
    names_->on.set(on());
    auto& running = names_->running[host_];
    if (running) {
        lookup_ = running;
        lookup_->add(*this);
        return true;
    }
    lookup_ = running = std::make_shared<lookup>(names_, host_);
    try {
        start_blocking(loop_access::of(on()), lookup_);
    } catch (...) {
        names_->running.erase(host_);
        throw;
    }
    lookup_->add(*this);
    return true;
}

void resolve_operation::on_cancel() noexcept {
    const auto keep = lookup_;  // the list of running ones may have been its last owner
    keep->remove(*this);
    stop();
}

void resolve_operation::found(const std::vector<ip_address>& addresses, std::exception_ptr error) noexcept {
    try {
        addresses_ = addresses;
        error_ = std::move(error);
    } catch (...) {
        error_ = std::current_exception();
    }
    resume();
}

std::vector<ip_address> resolve_operation::result() {
    if (error_) std::rethrow_exception(error_);
    return std::move(addresses_);
}

}  // namespace detail

resolver::resolver(resolver_options options) : state_(std::make_shared<detail::resolver_state>()) {
    if (options.look_up) state_->look_up = std::move(options.look_up);
}

}  // namespace simul
