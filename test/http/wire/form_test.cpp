#include <doctest/doctest.h>

#include <ostream>  // doctest shows error codes
#include <simul/http/wire/error.hpp>
#include <simul/http/wire/form.hpp>
#include <string>
#include <string_view>

using namespace simul::http;
using namespace std::string_view_literals;

TEST_CASE("form fields are encoded so that none can add another") {
    CHECK(encode_form({{"a", "1"}, {"b c", "&=+%\r\n"}, {"", "\xc3\xbc~-._"}}) ==
          "a=1&b+c=%26%3D%2B%25%0D%0A&=%C3%BC~-._");
    CHECK(encode_form({}) == "");
}

TEST_CASE("every byte comes back from a form") {
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    const form_fields fields = {{all, all}, {"", ""}, {"twice", "1"}, {"twice", "2"}};
    CHECK(decode_form(encode_form(fields)) == fields);
}

TEST_CASE("forms are read with empty fields left out and missing values empty") {
    CHECK(decode_form("a&&b=&=c&d=e=f") == form_fields{{"a", ""}, {"b", ""}, {"", "c"}, {"d", "e=f"}});
    CHECK(decode_form("") == form_fields{});
    CHECK(decode_form("a=%41%2b+") == form_fields{{"a", "A+ "}});
}

TEST_CASE("a broken escape and too many fields are refused") {
    for (const std::string_view bad : {"a=%", "a=%4", "a=%4g", "%zz=1", "x=1&a=%"}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(decode_form(bad), wire_error);
    }
    try {
        decode_form("x=1&a=%");
    } catch (const wire_error& e) {
        CHECK(e.position() == 6);
    }
    CHECK_THROWS_AS(decode_form("a&b&c", 2), wire_error);
    CHECK(decode_form("a&b", 2).size() == 2);
}
