#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/task_group.hpp>
#include <simul/http/client.hpp>
#include <simul/http/server.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/testing/http_network.hpp>

#include "http/raw_server.hpp"

using namespace simul;
using namespace simul::literals;
using http::phase;
using testing::error_of;
using testing::ok;
using testing::script;
using testing::with_script;

namespace {

std::string redirect(std::string_view to, int status = 302) {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\nlocation: " + std::string(to) +
           "\r\ncontent-length: 5\r\n\r\nmoved";
}

const url site("http://a.test/");

}  // namespace

TEST_CASE("a redirect is followed: 301, 302 and 303 turn POST into GET, 307 and 308 send the body again") {
    for (const int status : {301, 302, 303, 307, 308}) {
        CAPTURE(status);
        script server([&](std::size_t n, const std::string&) {
            return n == 0 ? redirect("/there?x=1", status) : ok("here");
        });
        with_script(server, {}, [&](http::client& web) -> task<> {
            auto response = co_await web.post(site / "from").text("body");
            CHECK(response.text() == "here");
            CHECK(response.url() == url("http://a.test/there?x=1"));
            REQUIRE(response.info().redirects.size() == 1);
            CHECK(response.info().redirects[0] == url("http://a.test/from"));
            CHECK(web.statistics().connections_opened <= 2);
        });
        const std::string& second = server.heads.at(1);
        CHECK(second.starts_with(status < 307 ? "GET /there?x=1 " : "POST /there?x=1 "));
        CHECK((second.find("content-length: 4") != second.npos) == (status >= 307));
        CHECK((second.find("content-type") != second.npos) == (status >= 307));
    }
}

TEST_CASE("credentials do not follow a redirect to another origin, and do within one") {
    for (const std::string& to : {std::string("http://b.test/x"), std::string("http://a.test:81/x"),
                                  std::string("https://a.test/x"), std::string("/x")}) {
        CAPTURE(to);
        script server([&](std::size_t n, const std::string&) { return n == 0 ? redirect(to) : ok(""); });
        http::client_options options;
        options.headers.add("cookie", "a=1");
        with_script(server, options, [&](http::client& web) -> task<> {
            co_await web.get(site)
                .header("Authorization", "secret one")
                .add_header("authorization", "secret two")
                .header("Proxy-Authorization", "secret")
                .sensitive_header("X-Api-Key", "secret")
                .header("X-Plain", "open");
        });
        const std::string& second = server.heads.at(1);
        CHECK((second.find("secret") == second.npos) == (to != "/x"));
        CHECK((second.find("a=1") == second.npos) == (to != "/x"));
        CHECK(second.find("X-Plain: open") != second.npos);
    }
    // The password of the URL too.
    script server([&](std::size_t n, const std::string&) {
        return n == 0 ? redirect("/y") : n == 1 ? redirect("http://b.test/") : ok("");
    });
    with_script(server, {}, [&](http::client& web) -> task<> {
        auto response = co_await web.get(url("http://me:secret@a.test/"));
        CHECK(!response.url().has_userinfo());
    });
    const std::string credentials = "authorization: " + http::basic_credentials("me", "secret");
    CHECK(server.heads.at(0).find(credentials) != std::string::npos);
    CHECK(server.heads.at(1).find(credentials) != std::string::npos);
    CHECK(server.heads.at(2).find("authorization") == std::string::npos);
}

TEST_CASE("redirects that must not be followed are errors that say why") {
    struct refused {
        std::string from;
        std::string to;
        http::errc code;
    };
    const std::vector<refused> cases = {
        {"https://a.test/", "http://a.test/", http::errc::refused_redirect},
        {"http://a.test/", "ftp://a.test/", http::errc::refused_redirect},
        {"http://a.test/", "javascript:alert(1)", http::errc::refused_redirect},
        {"http://a.test/", "http://user:pw@b.test/", http::errc::refused_redirect},
        {"http://a.test/", "http://b.test\\@c.test/", http::errc::refused_redirect},
        {"http://a.test/", "/again", http::errc::too_many_redirects},
    };
    for (const refused& each : cases) {
        CAPTURE(each.to);
        script server([&](std::size_t, const std::string&) { return redirect(each.to); });
        with_script(server, {}, [&](http::client& web) -> task<> {
            const auto e = co_await error_of([&]() -> task<> { co_await web.get(url(each.from)); });
            CHECK(e.code() == each.code);
        });
        CHECK(server.heads.size() == (each.code == http::errc::too_many_redirects ? 11 : 1));
    }
    script server([&](std::size_t, const std::string&) { return redirect("/x"); });
    with_script(server, {}, [&](http::client& web) -> task<> {
        http::redirect_options none;
        none.follow = false;
        CHECK((co_await web.get(site).redirects(none)).status() == 302);
    });
}

TEST_CASE("a body that was a stream cannot be sent again") {
    script server([&](std::size_t, const std::string&) { return redirect("/x", 307); });
    with_script(server, {}, [&](http::client& web) -> task<> {
        const auto pieces = []() -> async_generator<std::string> { co_yield "once"; };
        const auto e = co_await error_of([&]() -> task<> { co_await web.post(site).body(pieces()); });
        CHECK(e.code() == http::errc::body_not_repeatable);
    });
}
