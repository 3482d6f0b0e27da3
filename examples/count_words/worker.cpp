// The article's fifth way, the worker's side: runs the jobs and writes a log like RQ's.
//
//   count_words_worker STORE [SOCKET]   SOCKET: reach every site through this Unix socket (count_words_site)
#include <simul/http/client.hpp>
#include <simul/jobs/worker.hpp>

#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "mymodule.hpp"

using simul::task;
namespace http = simul::http;

// How many words Python's text.split() finds: what is between white space, that of Unicode included.
int count_words(std::string_view text) {
    int words = 0;
    bool inside = false;
    for (std::size_t i = 0; i < text.size();) {
        static constexpr std::string_view wide[] = {"\u0085", "\u00a0", "\u1680", "\u2000", "\u2001",
                                                    "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
                                                    "\u2007", "\u2008", "\u2009", "\u200a", "\u2028",
                                                    "\u2029", "\u202f", "\u205f", "\u3000"};
        const char c = text[i];
        std::size_t space = c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f') ? 1 : 0;
        for (std::string_view each : wide)
            if (text.substr(i).starts_with(each)) space = each.size();
        if (space == 0 && !inside) ++words;
        inside = space == 0;
        i += space == 0 ? 1 : space;
    }
    return words;
}

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        fmt::print(stderr, "usage: count_words_worker STORE [SOCKET]\n");
        return 2;
    }
    try {
        http::client_options options;
        if (argc == 3) options.connect.unix_socket = argv[2];
        simul::worker worker(argv[1]);
        worker.handle(count_words_at_url, [options](std::string url) -> task<int> {
            http::client web(options);
            auto response = co_await web.get(simul::url(url));
            response.throw_for_status();
            const int words = count_words(response.text());
            fmt::print("{}\n", words);
            std::fflush(stdout);
            co_return words;
        });
        return simul::worker_main(worker);
    } catch (const std::exception& error) {
        fmt::print(stderr, "error: {}\n", error.what());
        return 1;
    }
}
