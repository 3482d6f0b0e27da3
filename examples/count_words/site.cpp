// The site of the count_words example: serves one page of 322 words on a Unix socket, whatever the host's
// name.
//
//   count_words_site SOCKET
#include <simul/http/server.hpp>
#include <simul/loop/run.hpp>
#include <simul/net/unix_listener.hpp>

#include <fmt/core.h>

#include <string>

using simul::task;
namespace http = simul::http;

constexpr const char* page = R"html(<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Twenty-four boards at once</title></head>
<body>
<h1>Twenty-four boards at once</h1>
<p>A simultaneous exhibition is a chess event in which one master plays many opponents at once. The boards
stand in a ring or along a row of tables, and the master walks from one to the next, looks at the position,
makes a move, and goes on without waiting for the answer. While she is away the opponent thinks, and when she
comes back the answer has to be there. Nobody in the room plays faster than usual. The evening is short all
the same, because the only person whose time is scarce is never idle.</p>
<p>Suppose there are twenty-four boards, and a game takes thirty pairs of moves. The master needs five seconds
for a move and an opponent fifty-five. Played one after the other, each game takes half an hour and the
exhibition twelve hours. For eleven of these hours the master sits and waits. Played at once, she needs two
minutes to make one move on every board, and by then the first opponent has long answered. Thirty rounds of
two minutes are one hour.</p>
<p>A program that talks to many servers is in the place of the master. Sending a request takes microseconds,
the answer takes milliseconds, and between the two there is nothing to do for this request, but plenty for
others. Threads solve this by giving every board a master of its own, which works well until there are ten
thousand boards. An event loop keeps the single master and teaches her to walk. What she must not do is to sit
down at one board and think for an hour, since then all the others wait. Such a position is handed to somebody
else, to another core, to another process, or to another machine, and she comes back for the result.</p>
<p>How this is done is told elsewhere now.</p>
</body>
</html>
)html";

task<> serve(std::string socket) {
    http::server site;
    site.get("/", [](http::request&) { return http::response::html(page); });
    co_await site.serve(simul::unix_listener::bind(socket));
}

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: count_words_site SOCKET\n");
        return 2;
    }
    return simul::run_main(serve, std::string(argv[1]));
}
