#include "contract/store_contract.hpp"
#include "contract/store_contract_admin.hpp"

#include <simul/testing/memory_store.hpp>

#include <atomic>
#include <memory>

using namespace simul;

namespace {

class memory_fixture {
  public:
    std::unique_ptr<job_store> open() {
        store_options o;
        o.clock_shift = [shift = shift_] { return std::chrono::microseconds(shift->load()); };
        return simul::testing::make_memory_store(o);
    }
    void advance(std::chrono::seconds s) { *shift_ += std::chrono::microseconds(s).count(); }

  private:
    std::shared_ptr<std::atomic<std::int64_t>> shift_ = std::make_shared<std::atomic<std::int64_t>>(0);
};

}  // namespace

TYPE_TO_STRING(memory_fixture);
SIMUL_STORE_CONTRACT(memory_fixture);
SIMUL_STORE_CONTRACT_ADMIN(memory_fixture);
