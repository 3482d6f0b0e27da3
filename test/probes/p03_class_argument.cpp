// P3: temporaries of classes with constructors, builder chains and pairs in an awaited expression.
#include <string>
#include <utility>
#include <vector>

#include "probe.hpp"

class request {
  public:
    explicit request(std::string target) : target_(std::move(target)) {}
    request&& query(std::string key, int value) && {
        pairs_.emplace_back(std::move(key), value);
        return std::move(*this);
    }
    int size() const { return int(target_.size() + pairs_.size() * 100); }

  private:
    std::string target_;
    std::vector<std::pair<std::string, int>> pairs_;
    counted alive_{1};
};

task<int> send(request r, gate& g) { co_return co_await g + r.size(); }
template <class... Pairs>
task<int> send_pairs(gate& g, Pairs... pairs) {
    co_return co_await g + (pairs.second + ...);
}

task<int> parent(gate& g, std::string name) {
    int sum =
        co_await send(request(name + "/top").query("limit of the posts, spelled out", 5).query("t", 1), g);
    sum += co_await send_pairs(g, std::pair(name + "a", 1), std::pair(name + "b", 2));
    co_return sum;
}

int main() {
    gate g;
    auto t = parent(g, "python");
    t.start();
    g.open();
    g.open();
    EXPECT(t.done() && t.result() == 1 + 210 + 1 + 3);
    EXPECT(counted::alive == 0);
}
