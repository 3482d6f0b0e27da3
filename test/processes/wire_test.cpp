#include <simul/processes/wire.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <ostream>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include <simul/base/error.hpp>
#include <simul/processes/error.hpp>

using namespace simul;
namespace wire = simul::detail::wire;

namespace {

std::error_code code_of(auto&& f) {
    try {
        f();
    } catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}

/// Feeds `bytes` in pieces of at most `piece` bytes.
std::vector<wire::frame> read_all(std::string_view bytes, std::size_t piece,
                                  wire::frame_reader reader = wire::frame_reader{}) {
    std::vector<wire::frame> frames;
    for (;;) {
        while (auto f = reader.next()) frames.push_back(std::move(*f));
        if (bytes.empty()) break;
        const std::span<char> room = reader.prepare();
        const std::size_t size = std::min({piece, bytes.size(), room.size()});
        std::memcpy(room.data(), bytes.data(), size);
        reader.commit(size);
        bytes.remove_prefix(size);
    }
    CHECK(reader.at_boundary());
    return frames;
}

std::string payload_of(const std::string& frame) { return frame.substr(wire::header_bytes); }

std::string call_frame(std::uint64_t id, std::string_view arguments) {
    wire::call_message call;
    call.deadline_ns = -5;
    call.last = true;
    call.trampoline = {"\x01\x02\x03", 0x1234};
    call.function = {"libwords.so", 0xfedcba9876543210U};
    std::string frame = wire::begin_call(id, call);
    frame += arguments;
    wire::finish_frame(frame);
    return frame;
}

}  // namespace

TEST_CASE("a frame has the bytes that docs/formats/worker.md says") {
    const std::string frame = wire::encode(wire::started_message{.pid = 0x01020304});
    const std::string expected(
        "sw\x01\x02"
        "\0\0\0\0"
        "\0\0\0\0\0\0\0\0"
        "\x04\0\0\0\0\0\0\0"
        "\x04\x03\x02\x01",
        28);
    CHECK(frame == expected);
}

TEST_CASE("every message comes back as it was") {
    CHECK(wire::decode_start(payload_of(wire::encode(wire::start_message{"counter"}))).name == "counter");
    CHECK(wire::decode_started(payload_of(wire::encode(wire::started_message{77}))).pid == 77);

    const auto failed =
        wire::decode_start_failed(payload_of(wire::encode(wire::start_failed_message{11, "fork"})));
    CHECK(failed.error == 11);
    CHECK(failed.what == "fork");

    const auto exited =
        wire::decode_exited(payload_of(wire::encode(wire::exited_message{0, 11, true, false})));
    CHECK(exited.code == 0);
    CHECK(exited.signal == 11);
    CHECK(exited.core_dumped);
    CHECK(!exited.unread);
    CHECK(wire::decode_exited(payload_of(wire::encode(wire::exited_message{1, 0, false, true}))).unread);

    const std::string frame = call_frame(9, "the arguments");
    const std::string payload = payload_of(frame);
    const auto call = wire::decode_call(payload);
    CHECK(call.deadline_ns == -5);
    CHECK(call.last);
    CHECK(call.trampoline == wire::code_ref{"\x01\x02\x03", 0x1234});
    CHECK(call.function == wire::code_ref{"libwords.so", 0xfedcba9876543210U});
    CHECK(call.arguments == "the arguments");

    wire::error_message error;
    error.what = wire::error_message::kind::system;
    error.code = -3;
    error.category_name = "generic";
    error.category = {"libstdc++", 8};
    error.type_name = "std::system_error";
    error.message = "connect: refused";
    const auto back = wire::decode_error(payload_of(wire::encode(1, error)));
    CHECK(back.what == wire::error_message::kind::system);
    CHECK(back.code == -3);
    CHECK(back.category_name == "generic");
    CHECK(back.category == error.category);
    CHECK(back.type_name == "std::system_error");
    CHECK(back.message == "connect: refused");
}

TEST_CASE("a call without a deadline has none on the other side") {
    wire::call_message call;
    std::string frame = wire::begin_call(1, call);
    wire::finish_frame(frame);
    const std::string payload = payload_of(frame);
    CHECK(!wire::decode_call(payload).deadline_ns.has_value());
    CHECK(wire::decode_call(payload).arguments.empty());

    wire::set_deadline(frame, 12345);
    const std::string later = payload_of(frame);
    CHECK(later.size() == payload.size());
    CHECK(wire::decode_call(later).deadline_ns == 12345);
}

TEST_CASE("frames are the same whatever pieces their bytes arrive in") {
    const std::string large(100'000, 'x');
    const std::string stream = call_frame(1, "") + call_frame(2, "abc") + call_frame(3, large) +
                               wire::encode(4, wire::error_message{}) + call_frame(5, "end");
    for (std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{23}, std::size_t{24},
                              std::size_t{25}, std::size_t{4096}, stream.size()}) {
        CAPTURE(piece);
        const auto frames = read_all(stream, piece);
        REQUIRE(frames.size() == 5);
        for (std::size_t i = 0; i < frames.size(); ++i) CHECK(frames[i].id == i + 1);
        CHECK(frames[3].type == wire::frame_type::error);
        CHECK(wire::decode_call(frames[2].payload).arguments == large);
        CHECK(wire::decode_call(frames[4].payload).arguments == "end");
    }
}

TEST_CASE("the payload of a large frame is read in place") {
    const std::string frame = call_frame(1, std::string(1 << 20, 'x'));
    wire::frame_reader reader;
    std::span<char> room = reader.prepare();
    const std::size_t first = room.size();
    REQUIRE(first < frame.size());
    std::memcpy(room.data(), frame.data(), first);
    reader.commit(first);
    CHECK(!reader.next());
    room = reader.prepare();
    CHECK(room.size() == frame.size() - first);
    CHECK(!reader.at_boundary());
    std::memcpy(room.data(), frame.data() + first, room.size());
    reader.commit(room.size());
    const auto done = reader.next();
    REQUIRE(done);
    CHECK(done->payload == frame.substr(wire::header_bytes));
    CHECK(reader.at_boundary());
}

TEST_CASE("bytes that are no frame are an error, with the likely reason") {
    CHECK(code_of([] { read_all("Hello, this was printed to the wrong descriptor\n", 64); }) ==
          process_errc::bad_message);
    std::string unknown = call_frame(1, "");
    unknown[3] = 99;
    CHECK(code_of([&] { read_all(unknown, 64); }) == process_errc::bad_message);
    std::string endless = call_frame(1, "");
    std::memset(endless.data() + 16, 0xff, 8);
    CHECK(code_of([&] { read_all(endless, 64); }) == process_errc::bad_message);
}

TEST_CASE("a frame above the limit is refused by its header, and the error names the option") {
    const std::string frame = call_frame(1, std::string(5000, 'x'));
    CHECK_NOTHROW(
        read_all(frame, 64, wire::frame_reader(frame.size() - wire::header_bytes, "message_bytes_max")));
    try {
        read_all(frame, 64, wire::frame_reader(1000, "message_bytes_max"));
        FAIL("accepted");
    } catch (const std::system_error& e) {
        CHECK(e.code() == errc::limit_exceeded);
        CHECK(std::string(e.what()).find("message_bytes_max") != std::string::npos);
    }
}

TEST_CASE("a message that is cut off or too long is an error, at every length") {
    const std::string call = payload_of(call_frame(1, ""));
    const std::string error = payload_of(wire::encode(1, wire::error_message{}));
    const std::string exited = payload_of(wire::encode(wire::exited_message{}));
    for (std::size_t size = 0; size < call.size(); ++size)
        CHECK(code_of([&] { wire::decode_call(call.substr(0, size)); }) == process_errc::bad_message);
    for (std::size_t size = 0; size < error.size(); ++size)
        CHECK(code_of([&] { wire::decode_error(error.substr(0, size)); }) == process_errc::bad_message);
    for (std::size_t size = 0; size < exited.size(); ++size)
        CHECK(code_of([&] { wire::decode_exited(exited.substr(0, size)); }) == process_errc::bad_message);
    CHECK(code_of([&] { wire::decode_exited(exited + "x"); }) == process_errc::bad_message);
    CHECK(code_of([&] { wire::decode_error(error + "x"); }) == process_errc::bad_message);
}

TEST_CASE("random damage never does more than throw") {
    const std::string stream =
        call_frame(1, "abc") + wire::encode(2, wire::error_message{}) + call_frame(3, "end");
    std::mt19937 random(20240607);
    for (int round = 0; round < 2000; ++round) {
        std::string damaged = stream;
        for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] = static_cast<char>(random() & 0xffU);
        wire::frame_reader reader(1 << 20);
        std::string_view rest = damaged;
        try {
            while (!rest.empty()) {
                const std::span<char> room = reader.prepare();
                const std::size_t size = std::min(rest.size(), room.size());
                REQUIRE(size > 0);
                std::memcpy(room.data(), rest.data(), size);
                reader.commit(size);
                rest.remove_prefix(size);
                while (auto f = reader.next()) {
                    if (f->type == wire::frame_type::error) wire::decode_error(f->payload);
                    if (f->type == wire::frame_type::call) wire::decode_call(f->payload);
                }
            }
        } catch (const std::system_error&) {  // as it should
        }
    }
}

TEST_CASE("long texts of an error are cut, not refused") {
    wire::error_message error;
    error.message = std::string(100'000, 'm');
    CHECK(wire::decode_error(payload_of(wire::encode(1, error))).message.size() ==
          wire::error_text_bytes_max);
}
