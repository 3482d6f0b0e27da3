#include "contract/store_contract.hpp"
#include "contract/store_contract_admin.hpp"

#include "jobs/redis_store.hpp"
#include "redis/test_server.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <memory>

using namespace simul;

namespace {

class redis_fixture {
  public:
    std::unique_ptr<job_store> open() {
        store_options o;
        o.clock_shift = [shift = shift_] { return std::chrono::microseconds(shift->load()); };
        return open_store(server_.url(), o);
    }
    void advance(std::chrono::seconds s) {
        *shift_ += std::chrono::microseconds(s).count();
        // The server lets keys expire by its own clock.
        const char* earlier =
            "for _, key in ipairs(redis.call(\"KEYS\", \"*\")) do"
            "  local left = redis.call(\"TTL\", key) - ARGV[1]"
            "  if redis.call(\"TTL\", key) >= 0 then"
            "    if left <= 0 then redis.call(\"DEL\", key) else redis.call(\"EXPIRE\", key, left) end"
            "  end"
            " end";
        REQUIRE(std::system(fmt::format("redis-cli -s '{}' EVAL '{}' 0 {} >/dev/null", server_.socket(),
                                        earlier, s.count())
                                .c_str()) == 0);
    }

  private:
    simul::testing::redis_server server_;
    std::shared_ptr<std::atomic<std::int64_t>> shift_ = std::make_shared<std::atomic<std::int64_t>>(0);
};

}  // namespace

TYPE_TO_STRING(redis_fixture);
SIMUL_STORE_CONTRACT(redis_fixture);
SIMUL_STORE_CONTRACT_ADMIN(redis_fixture);
