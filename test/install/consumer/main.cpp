// A program of somebody else: nothing but the installed headers and libraries.
#include <fmt/format.h>
#include <simul/base/url.hpp>

int main() {
    const simul::url page = simul::url("http://example.org") / "a b";
    const std::string text = fmt::format("{}", page);
    fmt::print("{}\n", text);
    return text == "http://example.org/a%20b" ? 0 : 1;
}
