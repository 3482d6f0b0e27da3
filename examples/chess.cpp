// The article's exhibition: one master, twenty-four boards, thirty pairs of moves each. She thinks 5 seconds
// about a move, an opponent 55. Played one after the other, and all at once; on the virtual clock, so that it
// takes milliseconds. Writes both as a timeline: chess [FILE.svg]
#include <simul/core/all.hpp>
#include <simul/core/async_mutex.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using simul::task;
using std::chrono::seconds;

constexpr int boards = 24;
constexpr int move_pairs = 30;
constexpr seconds master_thinks = 5s;
constexpr seconds opponent_thinks = 55s;

struct span {
    int board;
    seconds begin;
    seconds end;
};

// What happened, for the table and the picture.
struct exhibition {
    std::vector<span> master;     // her moves
    std::vector<span> opponents;  // theirs
    seconds first_round{};        // when she had moved once on every board
    seconds last_move{};          // her last one
    seconds finished{};           // the last answer

    seconds busy() const {
        return std::accumulate(master.begin(), master.end(), 0s,
                               [](seconds sum, const span& move) { return sum + (move.end - move.begin); });
    }
};

seconds elapsed() { return std::chrono::duration_cast<seconds>(simul::this_loop().elapsed()); }

task<> play(int board, simul::async_mutex& master, exhibition& record) {
    for (int pair = 0; pair < move_pairs; ++pair) {
        {
            auto her_turn = co_await master.lock();  // she is one: the boards queue for her
            const seconds begin = elapsed();
            co_await simul::sleep_for(master_thinks);
            record.master.push_back({board, begin, elapsed()});
        }
        const seconds begin = elapsed();
        co_await simul::sleep_for(opponent_thinks);
        record.opponents.push_back({board, begin, elapsed()});
    }
}

task<> one_after_the_other(exhibition& record) {
    simul::async_mutex master;
    for (int board = 0; board < boards; ++board) co_await play(board, master, record);
}

task<> all_at_once(exhibition& record) {
    simul::async_mutex master;
    std::vector<int> numbers(boards);
    std::iota(numbers.begin(), numbers.end(), 0);
    co_await simul::all(numbers, [&](int board) { return play(board, master, record); });
}

exhibition hold(task<> (*way)(exhibition&)) {
    exhibition record;
    simul::virtual_loop loop;
    loop.run(way, std::ref(record));
    std::vector<bool> seen(boards);
    for (const span& move : record.master) {
        if (!seen[static_cast<std::size_t>(move.board)]) record.first_round = move.end;
        seen[static_cast<std::size_t>(move.board)] = true;
        record.last_move = std::max(record.last_move, move.end);
    }
    record.finished = std::chrono::duration_cast<seconds>(loop.elapsed());
    return record;
}

std::string clock_text(seconds time) {
    const auto t = time.count();
    return fmt::format("{}:{:02}:{:02}", t / 3600, t / 60 % 60, t % 60);
}

double use(const exhibition& record, seconds until) {
    return 100.0 * static_cast<double>(record.busy().count()) / static_cast<double>(until.count());
}

// --- the picture
// ----------------------------------------------------------------------------------------------------

constexpr double left = 90, width = 1080, row = 9;

void draw(std::string& svg, double top, const char* title, const exhibition& record, seconds scale,
          seconds tick) {
    const auto x = [&](seconds at) {
        return left + width * static_cast<double>(at.count()) / static_cast<double>(scale.count());
    };
    const double rows_top = top + 34, rows_height = boards * row;
    svg += fmt::format("<text class='title' x='{}' y='{}'>{}</text>\n", left, top, title);
    for (seconds at = 0s; at <= scale; at += tick) {
        svg += fmt::format("<line class='grid' x1='{0:.1f}' y1='{1}' x2='{0:.1f}' y2='{2}'/>\n", x(at),
                           top + 10, rows_top + rows_height + 4);
        svg += fmt::format("<text class='time' x='{:.1f}' y='{}'>{}</text>\n", x(at),
                           rows_top + rows_height + 17, clock_text(at));
    }
    svg += fmt::format("<text class='row' x='{}' y='{}'>master</text>\n", left - 8, top + 25);
    const auto bar = [&](const char* kind, double y, double height, const span& what) {
        svg += fmt::format("<rect class='{}' x='{:.2f}' y='{:.1f}' width='{:.2f}' height='{}'/>\n", kind,
                           x(what.begin), y, std::max(0.25, x(what.end) - x(what.begin)), height);
    };
    for (const span& move : record.master) bar("master", top + 16, 11, move);
    for (const span& move : record.opponents) bar("opponent", rows_top + move.board * row + 1, row - 2, move);
    for (const span& move : record.master) bar("master", rows_top + move.board * row + 1, row - 2, move);
    for (int board : {0, 11, 23})
        svg += fmt::format("<text class='row' x='{}' y='{}'>board {}</text>\n", left - 8,
                           rows_top + board * row + row - 1, board + 1);
}

bool write_timeline(const std::string& path, const exhibition& in_turn, const exhibition& at_once) {
    std::string svg =
        "<svg xmlns='http://www.w3.org/2000/svg' width='1220' height='960' viewBox='0 0 1220 960' "
        "font-family='sans-serif'>\n"
        "<style>.title{font-size:17px;font-weight:600}.row{font-size:11px;text-anchor:end;fill:#444}"
        ".time{font-size:11px;text-anchor:middle;fill:#666}.grid{stroke:#ddd}.master{fill:#b3261e}.opponent{"
        "fill:#a9c7e8}"
        ".legend{font-size:12px;fill:#333}</style>\n<rect width='1220' height='960' fill='white'/>\n"
        "<rect class='master' x='90' y='14' width='14' height='10'/><text class='legend' x='110' y='24'>the "
        "master thinks</text>"
        "<rect class='opponent' x='240' y='14' width='14' height='10'/><text class='legend' x='260' "
        "y='24'>the opponent thinks"
        "</text><text class='legend' x='410' y='24'>white: nobody thinks about this board</text>\n";
    draw(svg, 60, "One after the other: 12 hours; she is busy 8.3 % of the time", in_turn, 12h, 1h);
    draw(svg, 366, "At once, on the same scale", at_once, 12h, 1h);
    draw(svg, 672, "At once, enlarged: she never waits", at_once, 3660s, 5min);
    svg += "</svg>\n";
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), &std::fclose);
    return file != nullptr && std::fwrite(svg.data(), 1, svg.size(), file.get()) == svg.size() &&
           std::fflush(file.get()) == 0;
}

int main(int argc, char** argv) {
    const auto started = std::chrono::steady_clock::now();
    const exhibition in_turn = hold(one_after_the_other);
    const exhibition at_once = hold(all_at_once);
    const auto took = std::chrono::steady_clock::now() - started;

    fmt::print("{} boards, {} pairs of moves; the master thinks {} s, an opponent {} s\n", boards, move_pairs,
               master_thinks.count(), opponent_thinks.count());
    fmt::print("one after the other: {:>8}   her use {:5.1f} %\n", clock_text(in_turn.finished),
               use(in_turn, in_turn.finished));
    fmt::print("at once:             {:>8}   her use {:5.1f} %   ({} first moves by {}; last answer {})\n",
               clock_text(at_once.last_move), use(at_once, at_once.last_move), boards,
               clock_text(at_once.first_round), clock_text(at_once.finished));
    fmt::print(stderr, "simulated in {:.1f} ms\n", std::chrono::duration<double, std::milli>(took).count());

    const std::string path = argc > 1 ? argv[1] : "chess.svg";
    if (!write_timeline(path, in_turn, at_once)) {
        fmt::print(stderr, "error: the timeline {} could not be written: {}\n", path, std::strerror(errno));
        return 1;
    }
    fmt::print("timeline: {}\n", path);
    return std::fflush(stdout) == 0 ? 0 : 1;  // a full disk
}
