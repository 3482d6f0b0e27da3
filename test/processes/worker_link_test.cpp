#include "processes/worker_link.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <csignal>
#include <ostream>
#include <simul/processes/code_ref.hpp>
#include <simul/processes/trampoline.hpp>
#include <simul/processes/zygote.hpp>
#include "processes/message.hpp"
using namespace simul;
using namespace simul::detail;
namespace {
void echo(any_function, std::string_view a, std::string& r) {
    r += "echo:";
    r += a;
}
void segv(any_function, std::string_view, std::string&) { ::raise(SIGSEGV); }
std::string call(trampoline t, std::string a) {
    wire::call_message m;
    m.trampoline = make_code_ref(reinterpret_cast<const void*>(t));
    auto f = wire::begin_call(1, m);
    f += a;
    wire::finish_frame(f);
    return f;
}
}  // namespace
TEST_CASE("quick") {
    auto w = worker_link::start("quick");
    CHECK(write_all(w.channel(), call(&echo, "hi")) == 0);
    char b[1000];
    auto n = ::recv(w.channel(), b, sizeof b, 0);
    CHECK(n == 24 + 7);
    w.update();
    MESSAGE(w.pid());
    CHECK(write_all(w.channel(), call(&segv, "hi")) == 0);
    n = ::recv(w.channel(), b, sizeof b, 0);
    CHECK(n == 0);
    w.update();
    CHECK(w.ended());
    MESSAGE(to_string(w.status()));
    auto w2 = worker_link::start("two");
    w2.kill_and_wait();
    CHECK(w2.ended());
    MESSAGE(to_string(w2.status()));
    MESSAGE(zygote::pid());
    zygote::stop();
}
