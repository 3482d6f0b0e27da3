#include <simul/base/time.hpp>

#include <fmt/format.h>

#include <cstdint>

namespace simul {

std::string describe(duration d) {
    struct unit {
        std::int64_t ns;
        const char* name;
    };
    static constexpr unit units[] = {{3'600'000'000'000, "h"},
                                     {60'000'000'000, "min"},
                                     {1'000'000'000, "s"},
                                     {1'000'000, "ms"},
                                     {1'000, "us"}};

    const std::int64_t ns = std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
    for (const unit& u : units) {
        if (ns >= u.ns || ns <= -u.ns) {
            std::string number = fmt::format("{:.3f}", static_cast<double>(ns) / static_cast<double>(u.ns));
            number.erase(number.find_last_not_of('0') + 1);
            if (number.back() == '.') number.pop_back();
            return number + ' ' + u.name;
        }
    }
    return ns == 0 ? "0 s" : fmt::format("{} ns", ns);
}

}  // namespace simul
