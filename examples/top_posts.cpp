// The article's fourth way: three pages of a site fetched at once, on one thread; each is printed when it is
// there. Ctrl-C ends it cleanly, also in the middle of a page.
//
//   top_posts                                   the article's posts, from servers of this program
//   top_posts --base https://www.reddit.com     today's posts, from the real site
#include <simul/core/all.hpp>
#include <simul/core/race.hpp>
#include <simul/http/client.hpp>
#include <simul/loop/run.hpp>

#include <fmt/core.h>

#include <cstdio>
#include <functional>
#include <string>
#include <string_view>

#include "article_site/article_site.hpp"

using simul::url;

/// Where the pages of a subreddit are.
using base_of = std::function<url(std::string_view subreddit)>;

simul::task<> top_posts(simul::http::client& web, url base, std::string subreddit) {
    auto response = co_await web.get(base / "r" / subreddit / "top.json")
                        .query("sort", "top")
                        .query("t", "day")
                        .query("limit", 5);
    response.throw_for_status();
    const simul::value listing = response.json();
    for (const auto& child : listing["data"]["children"]) {
        const auto& post = child["data"];
        fmt::print("{}: {} ({})\n", post["score"].as_int(), post["title"].as_string(),
                   post["url"].as_string());
    }
    fmt::print("DONE: {}\n\n", subreddit);
}

simul::task<> all_three(simul::http::client_options options, base_of base) {
    options.user_agent = "simul-top-posts/1.0";  // the site refuses programs that do not say who they are
    simul::http::client web(std::move(options));
    co_await simul::all(top_posts(web, base("python"), "python"),
                        top_posts(web, base("programming"), "programming"),
                        top_posts(web, base("compsci"), "compsci"));
}

simul::task<> with_own_site() {
    article_site site;
    simul::http::client_options options;
    options.connect.tls = site.trust();
    co_await simul::race(site.serve(), all_three(std::move(options), [&](std::string_view subreddit) {
                             return site.base_of(subreddit);
                         }));
}

int main(int argc, char** argv) {
    if (argc == 1) return simul::run_main(with_own_site);
    if (argc != 3 || argv[1] != std::string_view("--base")) {
        fmt::print(stderr, "usage: {} [--base URL]\n", argv[0]);
        return 2;
    }
    return simul::run_main([&] {
        const url site(argv[2]);
        return all_three({}, [site](std::string_view) { return site; });
    });
}
