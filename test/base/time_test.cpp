#include <doctest/doctest.h>

#include <simul/base/bytes.hpp>
#include <simul/base/time.hpp>

using namespace simul;

TEST_CASE("durations are told in the largest unit that fits") {
    CHECK(describe(duration::zero()) == "0 s");
    CHECK(describe(5s) == "5 s");
    CHECK(describe(1500ms) == "1.5 s");
    CHECK(describe(250ms) == "250 ms");
    CHECK(describe(12us) == "12 us");
    CHECK(describe(7ns) == "7 ns");
    CHECK(describe(2h) == "2 h");
    CHECK(describe(90min) == "1.5 h");
    CHECK(describe(90s) == "1.5 min");
    CHECK(describe(-1500ms) == "-1.5 s");
}

TEST_CASE("bytes compare as their content does") {
    CHECK(bytes{"a"} == bytes{"a"});
    CHECK(bytes{"a"} < bytes{"b"});
}
