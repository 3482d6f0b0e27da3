#include <simul/net/file.hpp>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <string>

#include <simul/base/error.hpp>
#include <simul/core/all.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/run.hpp>

#include "contract/stream_contract.hpp"
#include "net/temporary_folder.hpp"

namespace simul {
namespace {
using contract::code_of;
using testing::temporary_folder;

mode_t mode_of(const std::filesystem::path& path) {
    struct stat file{};
    REQUIRE(::stat(path.c_str(), &file) == 0);
    return file.st_mode & 07777;
}
}  // namespace

TEST_CASE("what is written to a file is read from it") {
    const temporary_folder folder;
    run([&]() -> task<> {
        const std::string data = contract::pattern(700'000);
        co_await write_file(folder / "data", data);
        const std::string got = co_await read_file(folder / "data");
        CHECK((got == data));
        co_await write_file(folder / "data", "shorter");
        CHECK(co_await read_file(folder / "data") == "shorter");
        co_await write_file(folder / "data", "in place", {.replace = false, .sync = true});
        CHECK(co_await read_file(folder / "data") == "in place");
        co_await write_file(folder / "data", "on the disk", {.sync = true});
        CHECK(co_await read_file(folder / "data") == "on the disk");
    });
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(folder.path())) ++files;
    CHECK(files == 1);  // nothing was left beside it
}

TEST_CASE("a file that is replaced keeps its permissions, and a link to it stays a link") {
    const temporary_folder folder;
    run([&]() -> task<> {
        co_await write_file(folder / "secret", "old", {.mode = 0600});
        CHECK(mode_of(folder / "secret") == 0600);
        std::filesystem::create_symlink(folder / "secret", folder / "link");
        co_await write_file(folder / "link", "new");
        CHECK(mode_of(folder / "secret") == 0600);
        CHECK(std::filesystem::is_symlink(folder / "link"));
        CHECK(co_await read_file(folder / "secret") == "new");
    });
}

TEST_CASE("a file that cannot be replaced stays as it was") {
    const temporary_folder folder;
    run([&]() -> task<> {
        std::filesystem::create_directory(folder / "folder");
        const auto code = co_await code_of([&]() -> task<> { co_await write_file(folder / "folder", "x"); });
        CHECK(code == std::errc::is_a_directory);
        const auto missing =
            co_await code_of([&]() -> task<> { co_await write_file(folder / "none/file", "x"); });
        CHECK(missing == std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("errors of files name the file, and a limit is kept even by an endless one") {
    run([]() -> task<> {
        std::string text;
        try {
            co_await read_file("/nowhere/notes.txt");
        } catch (const std::system_error& e) {
            text = e.what();
        }
        CHECK(text == "open /nowhere/notes.txt: No such file or directory");
        const auto code = co_await code_of([]() -> task<> { co_await read_file("/dev/zero", 100'000); });
        CHECK(code == errc::limit_exceeded);
        CHECK((co_await read_file("/proc/self/stat")).size() > 0);  // a file without a size
    });
}

TEST_CASE("a file holds exactly as many bytes as its limit") {
    const temporary_folder folder;
    run([&]() -> task<> {
        co_await write_file(folder / "data", "12345");
        CHECK(co_await read_file(folder / "data", 5) == "12345");
        const auto code = co_await code_of([&]() -> task<> { co_await read_file(folder / "data", 4); });
        CHECK(code == errc::limit_exceeded);
    });
}

TEST_CASE("a file is read and written at positions, several at once") {
    const temporary_folder folder;
    run([&]() -> task<> {
        file f = co_await file::open(folder / "data", file_mode::create_new, 0640);
        CHECK(mode_of(folder / "data") == 0640);
        co_await all(f.write_at(0, "begin"), f.write_at(1000, "end"));
        CHECK(co_await f.size() == 1003);
        auto parts = co_await all(f.read_at(0, 5), f.read_at(998, 100), f.read_at(5000, 10));
        CHECK(std::get<0>(parts) == "begin");
        CHECK(std::get<1>(parts) == std::string("\0\0end", 5));
        CHECK(std::get<2>(parts).empty());
        co_await f.resize(2);
        co_await f.sync();
        CHECK(co_await f.read_at(0, 100) == "be");
        const auto again = co_await code_of(
            [&]() -> task<> { co_await file::open(folder / "data", file_mode::create_new); });
        CHECK(again == std::errc::file_exists);
        file emptied = co_await file::open(folder / "data", file_mode::truncate);
        CHECK(co_await f.size() == 0);
        file reader = co_await file::open(folder / "data");
        const auto refused = co_await code_of([&]() -> task<> { co_await reader.write_at(0, "x"); });
        CHECK(refused == std::errc::bad_file_descriptor);
    });
}

TEST_CASE("a canceled call of a file may outlive it") {
    const temporary_folder folder;
    run([&]() -> task<> {
        for (int i = 0; i < 20; ++i) {
            file f = co_await file::open(folder / "data", file_mode::create);
            co_await with_scope([&](cancel_scope& scope) -> task<> {
                auto canceler = [&]() -> task<> {
                    co_await yield();
                    scope.cancel();
                };
                co_await all(f.write_at(0, std::string(100'000, 'x')), canceler());
            });
        }
        const std::string got = co_await read_file(folder / "data");
        CHECK(got.find_first_not_of('x') == std::string::npos);
    });
}

}  // namespace simul
