#pragma once
// Servers that say exactly what a test tells them to, well formed or not, over connections in memory.

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <simul/core/scopes.hpp>
#include <simul/core/task.hpp>
#include <simul/core/task_group.hpp>
#include <simul/http/client.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/testing/http_network.hpp>

namespace simul::testing {

/// Reads up to the empty line behind a head; what came behind it stays in `rest`.
inline task<std::string> read_head(stream& from, std::string& rest) {
    for (;;) {
        if (const auto end = rest.find("\r\n\r\n"); end != rest.npos) {
            std::string head = rest.substr(0, end + 4);
            rest.erase(0, end + 4);
            co_return head;
        }
        char buffer[4096];
        const std::size_t got = co_await from.read_some(buffer);
        if (got == 0) co_return std::string();
        rest.append(buffer, got);
    }
}

/// What one connection does: `says(n, head)` is sent after the n-th request of all connections (from 0).
struct script {
    using answers = std::function<std::string(std::size_t, const std::string&)>;
    explicit script(answers with, bool close_after = false)
        : says(std::move(with)), then_close(close_after) {}

    answers says;
    bool then_close;
    std::vector<std::string> heads;  ///< of all requests

    task<> serve(std::unique_ptr<stream> on) {
        std::string rest;
        for (;;) {
            const std::string head = co_await read_head(*on, rest);
            if (head.empty()) co_return;
            heads.push_back(head);
            const std::string answer = says(heads.size() - 1, head);
            if (!answer.empty()) co_await on->write_all(answer);
            if (then_close) co_return;
        }
    }
};

/// Runs `body(client)` beside a server that follows the script, on the virtual clock; gives the time it took.
template <class Body>
duration with_script(script& what, http::client_options options, Body body, stream_pair_options pair = {}) {
    virtual_loop loop;
    loop.run([&]() -> task<> {
        http_network net([&](std::unique_ptr<stream> one) { return what.serve(std::move(one)); }, pair);
        options.transport = net.transport();
        co_await with_group([&](task_group& group) -> task<> {
            group.spawn([&] { return net.run(); });
            http::client client(options);
            co_await body(client);
            group.cancel();
        });
    });
    return loop.elapsed();
}

/// The http::error that `work` throws.
template <class F>
task<http::error> error_of(F work) {
    try {
        co_await work();
    } catch (const http::error& e) {
        co_return e;
    }
    FAIL("no http::error was thrown");
    throw std::logic_error("unreachable");
}

/// "HTTP/1.1 200 OK" with this body.
inline std::string ok(std::string_view body, std::string_view more_headers = {}) {
    return "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(body.size()) + "\r\n" +
           std::string(more_headers) + "\r\n" + std::string(body);
}

}  // namespace simul::testing
