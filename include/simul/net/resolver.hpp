#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <simul/core/leaf.hpp>
#include <simul/net/endpoint.hpp>
#include <simul/net/error.hpp>

namespace simul {

namespace detail {
class resolver_state;
class lookup;
struct lookup_tag;

class [[nodiscard("await it: co_await names.resolve(...)")]] resolve_operation final
    : public leaf_operation<resolve_operation>,
      private list_node<lookup_tag> {
  public:
    resolve_operation(std::shared_ptr<resolver_state> names, std::string host) noexcept;
    resolve_operation(resolve_operation&& other) noexcept;
    ~resolve_operation();

    bool ready();
    bool start();
    std::vector<ip_address> result();
    const char* describe() const noexcept override { return "look up a host name"; }

  private:
    friend lookup;
    friend intrusive_list<resolve_operation, lookup_tag>;
    void on_cancel() noexcept override;
    void found(const std::vector<ip_address>& addresses, std::exception_ptr error) noexcept;

    std::shared_ptr<resolver_state> names_;
    std::string host_;
    std::shared_ptr<lookup> lookup_;
    std::vector<ip_address> addresses_;
    std::exception_ptr error_;
};
}  // namespace detail

struct resolver_options {
    /// Replaces the system's look-up. Runs on a thread of the loop's pool for blocking calls; throws if there
    /// is no such host. Default: getaddrinfo, so /etc/hosts, nsswitch.conf and DNS as everywhere else.
    std::function<std::vector<ip_address>(const std::string& host)> look_up{};
};

/// Finds the addresses of hosts, off the loop.
///
/// Look-ups of the same name that run at the same time are one. Copies share it.
/// Threads: one loop at a time; another one may use it when that has ended.
class resolver {
  public:
    explicit resolver(resolver_options options = {});

    /// The addresses of `host`, in the order in which they should be tried; never none. An IP address is its
    /// own answer, at once.
    ///
    /// Cancel:  goes on at once; the look-up itself cannot be stopped and is abandoned.
    /// Throws:  std::system_error with a code of resolver_category() that names the host ("look up
    ///          nosuch.example: no such host"); data_error for what cannot be a host name.
    auto resolve(std::string host) const { return detail::resolve_operation(state_, std::move(host)); }

  private:
    std::shared_ptr<detail::resolver_state> state_;
};

}  // namespace simul
