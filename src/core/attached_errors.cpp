#include <simul/core/attached_errors.hpp>

#include <algorithm>
#include <deque>

namespace simul {
namespace {

struct entry {
    std::exception_ptr first;  // keeps the exception alive, so that its address stays its identity
    std::vector<std::exception_ptr> later;
};

thread_local std::deque<entry> entries;

}  // namespace

void attach_error(const std::exception_ptr& first, std::exception_ptr later) {
    if (!first || !later || first == later) return;
    auto at = std::find_if(entries.begin(), entries.end(), [&](const entry& e) { return e.first == first; });
    if (at == entries.end()) {
        if (entries.size() == attached_errors_max) entries.pop_front();
        at = entries.insert(entries.end(), entry{first, {}});
    }
    at->later.push_back(std::move(later));
}

std::vector<std::exception_ptr> attached_errors(const std::exception_ptr& error) {
    auto at = std::find_if(entries.begin(), entries.end(), [&](const entry& e) { return e.first == error; });
    return at == entries.end() ? std::vector<std::exception_ptr>{} : at->later;
}

}  // namespace simul
