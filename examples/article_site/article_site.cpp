#include "article_site.hpp"

#include <simul/base/time.hpp>
#include <simul/core/all.hpp>
#include <simul/loop/sleep.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <vector>

#include "authority.hpp"

using namespace simul::literals;
using simul::task;
using simul::url;
using simul::value;
namespace http = simul::http;

namespace {

struct post {
    int score;
    std::string title;
    std::string link;
};

struct subreddit {
    std::string name;
    simul::duration takes;
    std::vector<post> posts;
};

// The numbers, titles and links are the article's.
const std::vector<subreddit>& subreddits() {
    static const std::vector<subreddit> all = {
        {"compsci",
         100ms,
         {{50, "Undershoot: Parsing theory in 1965",
           "http://jeffreykegler.github.io/Ocean-of-Awareness-blog/individual/2018/07/knuth_1965_2.html"},
          {12, "Question about best-prefix/failure function/primal match table in kmp algorithm",
           "https://www.reddit.com/r/compsci/comments/8xd3m2/"
           "question_about_bestprefixfailure_functionprimal/"},
          {1, "Question regarding calculating the probability of failure of a RAID system",
           "https://www.reddit.com/r/compsci/comments/8xbkk2/"
           "question_regarding_calculating_the_probability_of/"}}},
        {"python",
         200ms,
         {{336, "/r/thanosdidnothingwrong -- banning people with python",
           "https://clips.twitch.tv/AstutePluckyCocoaLitty"},
          {175, "PythonRobotics: Python sample codes for robotics algorithms",
           "https://atsushisakai.github.io/PythonRobotics/"},
          {23, "Python and Flask Tutorial in VS Code",
           "https://code.visualstudio.com/docs/python/tutorial-flask"},
          {17, "Started a new blog on Celery - what would you like to read about?",
           "https://www.python-celery.com"},
          {14, "A Simple Anomaly Detection Algorithm in Python",
           "https://medium.com/@mathmare_/pyng-a-simple-anomaly-detection-algorithm-2f355d7dc054"}}},
        {"programming",
         300ms,
         {{1360, "git bundle", "https://dev.to/gabeguz/git-bundle-2l5o"},
          {1191,
           "Which hashing algorithm is best for uniqueness and speed? Ian Boyd's answer (top voted) is one "
           "of "
           "the best comments I've seen on Stackexchange.",
           "https://softwareengineering.stackexchange.com/questions/49550/"
           "which-hashing-algorithm-is-best-for-uniqueness-and-speed"},
          {430, "ARM launches “Facts” campaign against RISC-V", "https://riscv-basics.com/"},
          {244, "Choice of search engine on Android nuked by “Anonymous Coward” (2009)",
           "https://android.googlesource.com/platform/packages/apps/GlobalSearch/+/"
           "592150ac00086400415afe936d96f04d3be3ba0c"},
          {209,
           "Exploiting freely accessible WhatsApp data or “Why does WhatsApp web know my phone’s battery "
           "level?”",
           "https://medium.com/@juan_cortes/"
           "exploiting-freely-accessible-whatsapp-data-or-why-does-whatsapp-know-my-battery-level-"
           "ddac224041b4"}}}};
    return all;
}

value listing(const subreddit& of, std::size_t limit) {
    value children = value::list();
    for (const post& each : of.posts) {
        if (children.size() == limit) break;
        value data;
        data.set("score", each.score);
        data.set("title", each.title);
        data.set("url", each.link);
        children.push_back(value().set("kind", "t3").set("data", data));
    }
    return value().set("kind", "Listing").set("data", value().set("children", children));
}

task<http::response> top(http::request& request) {
    const std::string& name = request.param("name");
    const auto found = std::find_if(subreddits().begin(), subreddits().end(),
                                    [&](const subreddit& each) { return each.name == name; });
    if (found == subreddits().end()) throw http::refusal(404, "there is no subreddit of this name");
    co_await simul::sleep_for(found->takes);
    const int limit = std::atoi(request.query_value("limit").value_or("25").c_str());
    co_return http::response::json(listing(*found, static_cast<std::size_t>(std::clamp(limit, 0, 100))));
}

}  // namespace

article_site::article_site() : article_site(authority()) {}

article_site::article_site(const authority& ours)
    : plain_(simul::tcp_listener::bind("127.0.0.1", 0)),
      encrypted_(simul::tcp_listener::bind("127.0.0.1", 0)),
      identity_(ours.identity_of("localhost")),
      trust_(ours.trust()) {
    web_.get("/r/{name}/top.json", top);
}

url article_site::base_of(std::string_view subreddit) const {
    if (subreddit == "programming")
        return url("https://localhost/").with_port(encrypted_.local_endpoint().port);
    return url("http://127.0.0.1/").with_port(plain_.local_endpoint().port);
}

task<> article_site::serve() {
    co_await simul::all(web_.serve(std::move(plain_)), web_.serve(std::move(encrypted_), identity_));
}
