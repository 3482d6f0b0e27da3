#pragma once

#include <simul/codec/json.hpp>

#include "redis/test_server.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

// The Python side of the tests beside the real RQ: test/data/rq_peer.py, and RQ's own worker.

namespace simul::testing {

inline const std::string data_folder = SIMUL_TEST_DATA;

inline std::string python() {
    const char* chosen = std::getenv("SIMUL_RQ_PYTHON");
    return chosen != nullptr ? chosen : "/usr/bin/python3";
}

// What the command writes to stdout; the shell's words are all our own.
inline std::string output_of(const std::string& command) {
    FILE* pipe = ::popen(("RQ_COLORS=0 PYTHONPATH=" + data_folder + "/rq_tasks " + command).c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::string out;
    std::array<char, 4096> chunk;
    while (std::size_t n = std::fread(chunk.data(), 1, chunk.size(), pipe)) out.append(chunk.data(), n);
    int status = ::pclose(pipe);
    CHECK_MESSAGE(status == 0, command, "\n", out);
    return out;
}

inline std::string quoted(const std::string& word) {
    std::string out = "'";
    for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

inline value peer(const redis_server& server, const std::vector<std::string>& words) {
    std::string command =
        python() + " " + quoted(data_folder + "/rq_peer.py") + " " + quoted(server.socket());
    for (const std::string& w : words) command += " " + quoted(w);
    return json::parse(output_of(command));
}

inline void rq_enqueues(const redis_server& server, std::string id, std::string function, std::string args,
                        std::string kwargs = "{}", std::string options = "{}",
                        std::string serializer = "pickle") {
    CHECK(peer(server, {"enqueue", id, function, args, kwargs, options, serializer}) == value("ok"));
}

inline std::string rq_worker(const redis_server& server, const std::string& more = "") {
    return output_of(fmt::format("{} -m rq.cli worker --burst -u {} {} 2>&1", python(),
                                 quoted("unix://" + server.socket()), more));
}

}  // namespace simul::testing
