#include <cstdlib>
#include <cstring>

#include "contract/loop_contract.hpp"

TEST_CASE("the loop on io_uring keeps the contract of loops") {
    if (const char* io = std::getenv("SIMUL_IO"); io != nullptr && std::strcmp(io, "uring") != 0) return;
    simul::contract::loop_contract(simul::io_backend::uring, "uring");
}

TEST_CASE("the loop on epoll keeps the contract of loops") {
    if (const char* io = std::getenv("SIMUL_IO"); io != nullptr && std::strcmp(io, "epoll") != 0) return;
    simul::contract::loop_contract(simul::io_backend::epoll, "epoll");
}

TEST_CASE("the loop on virtual time keeps the contract of loops") {
    simul::contract::loop_contract(simul::io_backend::virtual_time, "virtual");
}
