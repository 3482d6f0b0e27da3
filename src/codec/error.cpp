#include <simul/codec/error.hpp>

#include <fmt/format.h>

namespace simul {

std::string value_path::str() const {
    std::string out;
    append_to(out);
    return out;
}

void value_path::append_to(std::string& out) const {
    if (parent_ != nullptr) parent_->append_to(out);
    switch (step_) {
        case step::root:
            out += name_;
            break;
        case step::field:
            if (!out.empty()) out += '.';
            out += name_;
            break;
        case step::key:
            out.append("[\"").append(name_).append("\"]");
            break;
        case step::item:
            out += fmt::format("[{}]", index_);
            break;
    }
}

void value_path::fail(std::string_view explanation) const {
    const std::string place = str();
    throw codec_error(place.empty() ? std::string(explanation) : fmt::format("{}: {}", place, explanation));
}

}  // namespace simul
