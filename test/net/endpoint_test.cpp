#include <simul/net/endpoint.hpp>

#include <doctest/doctest.h>

#include <string>

namespace simul {

TEST_CASE("IP addresses are read and written in their usual form") {
    for (const char* text : {"0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "::1",
                             "2001:db8::8:800:200c:417a", "::ffff:10.0.0.1", "fe80::1%lo"})
        CHECK(ip_address::parse(text).to_string() == text);
    CHECK(ip_address::parse("2001:DB8:0:0:0:0:0:1").to_string() == "2001:db8::1");
    CHECK(ip_address::parse("fe80::1%1").scope() == 1);
}

TEST_CASE("what is no IP address is refused and shown") {
    for (const char* text :
         {"", "127.1", "0x7f.0.0.1", "010.0.0.1", "1.2.3.4.5", "256.1.1.1", "[::1]", "::1 ", "1.2.3.4%lo",
          "::1%", "::1%nosuchinterface", "localhost", ":::", "1.2.3.4\n"})
        CHECK_FALSE(ip_address::try_parse(text));
    CHECK_FALSE(ip_address::try_parse(std::string_view("1.2.3.4\0", 8)));
    CHECK_THROWS_WITH_AS(ip_address::parse("a\x01z"),
                         "'a\\x01z' is not an IP address (10.0.0.1, ::1, fe80::1%eth0)", data_error);
}

TEST_CASE("loopback addresses are known in all their forms") {
    for (const char* text : {"127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1"})
        CHECK(ip_address::parse(text).is_loopback());
    for (const char* text : {"128.0.0.1", "::2", "::ffff:10.0.0.1", "0.0.0.0"})
        CHECK_FALSE(ip_address::parse(text).is_loopback());
}

TEST_CASE("endpoints are read and written, IPv6 in brackets") {
    CHECK(endpoint::parse("10.0.0.1:80") == endpoint(ip_address::v4({10, 0, 0, 1}), 80));
    CHECK(endpoint::parse("[::1]:65535") == endpoint(ip_address::loopback_v6(), 65535));
    CHECK(endpoint(ip_address::loopback_v6(), 7).to_string() == "[::1]:7");
    CHECK(endpoint(ip_address::loopback_v4(), 7).to_string() == "127.0.0.1:7");
    for (const char* text : {"10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:-1", "::1:80",
                             "[10.0.0.1]:80", "[::1]", "a:80", "10.0.0.1:+80", "10.0.0.1: 80"})
        CHECK_THROWS_AS(endpoint::parse(text), data_error);
}

}  // namespace simul
