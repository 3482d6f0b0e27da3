#include <doctest/doctest.h>

#include <ostream>  // doctest shows error codes
#include <simul/http/wire/error.hpp>
#include <simul/http/wire/media_type.hpp>
#include <string_view>

using namespace simul::http;

TEST_CASE("a media type has a type, a subtype and parameters") {
    const media_type type = media_type::parse(" Text/HTML ;charset=\"UTF-8\" ; Q=a ");
    CHECK(type.type == "text");
    CHECK(type.subtype == "html");
    CHECK(type.is("TEXT/html"));
    CHECK_FALSE(type.is("text"));
    CHECK(type.charset() == "utf-8");
    CHECK(type.parameter("q") == "a");
    CHECK(type.parameter("x") == std::nullopt);
    CHECK(type.to_string() == "text/html; charset=UTF-8; q=a");
    CHECK(media_type::parse("text/plain;").charset() == std::nullopt);
}

TEST_CASE("quoted parameters are unquoted and quoted again where needed") {
    const media_type type = media_type::parse(R"(a/b; c="d \"e\" \\"; f="")");
    CHECK(type.parameter("c") == R"(d "e" \)");
    CHECK(type.to_string() == R"(a/b; c="d \"e\" \\"; f="")");
    CHECK(media_type::parse(type.to_string()) == type);
}

TEST_CASE("JSON is known by its name and by its suffix") {
    CHECK(media_type::parse("application/json").is_json());
    CHECK(media_type::parse("application/problem+JSON; charset=utf-8").is_json());
    CHECK_FALSE(media_type::parse("text/json5").is_json());
}

TEST_CASE("a broken media type says where it is broken") {
    for (const std::string_view bad :
         {"", "text", "text/", "/html", "text/html charset", "text/html; charset", "text/html; charset=",
          "text/html; a=\"b", "text/html; a=\"b\\", "text/ html", "te\xfct/html", "text/html; a=\"\x01\""}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(media_type::parse(bad), wire_error);
    }
    try {
        media_type::parse("text/html; charset");
        FAIL("accepted");
    } catch (const wire_error& e) {
        CHECK(e.reason() == wire_errc::invalid_media_type);
        CHECK(e.position() == 18);
        CHECK(std::string_view(e.what()) ==
              "media type \"text/html; charset\" expects '=' at 18: invalid media type");
    }
}
