#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <simul/base/url.hpp>
#include <simul/core/task.hpp>
#include <simul/http/response.hpp>
#include <simul/http/wire/headers.hpp>

namespace simul::http {

namespace detail {
class incoming;
}

/// A response whose body is read piece by piece, so its size does not matter.
///
///     auto download = co_await web.get(file).stream();
///     download.throw_for_status();
///     while (auto piece = co_await download.read_some()) out.write(*piece);
///
/// Dropped before its end, it is read to the end in the background if little is missing, else its connection
/// is closed (client_options::drain_bytes_max).
/// In flight: one read at a time. Lifetime: its client must outlive it. When its loop has ended, reading on
/// throws errc::connection_lost. A moved-from one can only be destroyed.
class response_stream {
  public:
    response_stream(response_stream&&) noexcept;
    response_stream& operator=(response_stream&&) noexcept;
    ~response_stream();

    int status() const noexcept;
    bool ok() const noexcept { return status() >= 200 && status() < 300; }
    const http::headers& headers() const noexcept;
    std::string_view header(std::string_view name) const noexcept {
        return headers().get(name).value_or(std::string_view());
    }
    const exchange_info& info() const noexcept;
    const simul::url& url() const noexcept { return info().url; }
    /// The length that the server gave, as transferred; nothing if it gave none.
    std::optional<std::uint64_t> content_length() const noexcept;

    /// Throws http::status_error for 400 and above (without the start of the body).
    const response_stream& throw_for_status() const&;

    /// The next piece of the body, decompressed and never empty; nothing at the end.
    ///
    /// Lifetime: the piece is valid until the next read.
    /// Cancel:   what has come stays for the next read; so does the connection.
    /// Throws:   http::error.
    [[nodiscard("co_await it")]] task<std::optional<std::string_view>> read_some();
    /// The rest of the body. Throws errc::response_too_large if that is more than `bytes_max`.
    [[nodiscard("co_await it")]] task<std::string> read_all(std::uint64_t bytes_max);

    /// Ends it now: the rest is not read, the connection is closed.
    void close() noexcept;

  private:
    friend detail::incoming;
    friend class request_builder;
    explicit response_stream(std::unique_ptr<detail::incoming> from) noexcept;
    std::unique_ptr<detail::incoming> from_;
};

}  // namespace simul::http
