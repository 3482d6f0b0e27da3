#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>

#include <simul/core/call_context.hpp>
#include <simul/processes/code_ref.hpp>
#include <simul/processes/trampoline.hpp>
#include "processes/message.hpp"
#include "processes/remote_exception.hpp"
#include "processes/zygote_process.hpp"

namespace simul::detail {
namespace {

constexpr int exit_after_error = 1;
constexpr int exit_channel_broken = 2;

int exit_code = 0;

/// What was printed before the answer is out before the answer.
void flush_output() {
    std::cout.flush();
    std::clog.flush();
    std::fflush(nullptr);
}

[[noreturn]] void leave(int code) {
    flush_output();
    // Not exit(): the static objects of this process are copies of the program's, and destroying them would
    // do things (remove files, end connections) that only the program itself may do.
    ::_exit(code);
}

time_point deadline_of(const wire::call_message& call) {
    if (!call.deadline_ns) return time_point::max();
    return time_point(std::chrono::duration_cast<duration>(std::chrono::nanoseconds(*call.deadline_ns)));
}

std::string run_call(const wire::call_message& call, std::uint64_t id) {
    const auto run = reinterpret_cast<trampoline>(const_cast<void*>(resolve(call.trampoline)));
    any_function function = nullptr;
    if (!call.function.image.empty())
        function = reinterpret_cast<any_function>(const_cast<void*>(resolve(call.function)));
    std::string answer = wire::begin_frame(wire::frame_type::result, id);
    const call_context_scope context(call_context(deadline_of(call), nullptr));
    run(function, call.arguments, answer);
    wire::finish_frame(answer);
    return answer;
}

void serve(int channel, const wire::frame& frame) {
    if (frame.type != wire::frame_type::call) leave(exit_channel_broken);
    const wire::call_message call = wire::decode_call(frame.payload);
    std::string answer;
    try {
        answer = run_call(call, frame.id);
    } catch (...) {  // carried to the caller, whatever it is
        answer = wire::encode(frame.id, describe_exception(std::current_exception()));
        exit_code = exit_after_error;
    }
    flush_output();
    if (write_all(channel, answer) != 0) leave(exit_channel_broken);  // nobody is there to be answered
    if (call.last) leave(exit_code == 0 && std::ferror(stdout) != 0 ? exit_after_error : exit_code);
    exit_code = 0;
}

}  // namespace

void set_worker_exit_code(int code) noexcept { exit_code = code; }

void run_worker(int channel) noexcept {
    wire::frame_reader reader;
    for (;;) {
        while (auto frame = reader.next()) serve(channel, *frame);
        const std::span<char> room = reader.prepare();
        const ssize_t size = ::recv(channel, room.data(), room.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) leave(0);  // the pool lets this worker go
        reader.commit(static_cast<std::size_t>(size));
    }
}

}  // namespace simul::detail
