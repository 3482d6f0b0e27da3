#include <simul/processes/code_ref.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <ostream>
#include <string>
#include <system_error>

#include <simul/processes/error.hpp>

using namespace simul;
using namespace simul::detail;

namespace {
int some_function() { return 7; }
int some_object = 0;
}  // namespace

TEST_CASE("a function of the program is found by build-id and offset") {
    const auto* address = reinterpret_cast<const void*>(&some_function);
    const wire::code_ref ref = make_code_ref(address);
    CHECK(!ref.image.empty());
    CHECK(resolve(ref) == address);
    CHECK(reinterpret_cast<int (*)()>(const_cast<void*>(resolve(ref)))() == 7);
}

TEST_CASE("static objects and functions of shared objects have places too") {
    CHECK(resolve(make_code_ref(&some_object)) == &some_object);
    const auto* in_libc = reinterpret_cast<const void*>(&std::qsort);
    CHECK(resolve(make_code_ref(in_libc)) == in_libc);
    CHECK(resolve(make_code_ref(&std::generic_category())) == &std::generic_category());
}

TEST_CASE("an address in no image is an error that says so") {
    const auto heap = std::make_unique<int>(1);
    CHECK(!find_code_ref(heap.get()));
    try {
        make_code_ref(heap.get());
        FAIL("accepted");
    } catch (const std::system_error& e) {
        CHECK(e.code() == process_errc::not_in_an_image);
        CHECK(std::string(e.what()).find("only functions of the program") != std::string::npos);
    }
}

TEST_CASE("an image that is not loaded here is an error that says what to do") {
    try {
        resolve({"\x01\xff", 16});
        FAIL("accepted");
    } catch (const std::system_error& e) {
        CHECK(e.code() == process_errc::unknown_image);
        CHECK(std::string(e.what()).starts_with("build-id 01ff: load shared objects before"));
    }
    wire::code_ref beyond = make_code_ref(reinterpret_cast<const void*>(&some_function));
    beyond.offset = ~std::uint64_t{0} / 2;
    CHECK_THROWS_AS(resolve(beyond), std::system_error);
}
