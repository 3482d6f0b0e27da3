#include "contract/store_contract.hpp"
#include "contract/store_contract_admin.hpp"

#include "jobs/sqlite_store.hpp"

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include <unistd.h>

using namespace simul;
namespace fs = std::filesystem;

namespace {

class sqlite_fixture {
  public:
    sqlite_fixture() {
        std::string name = (fs::temp_directory_path() / "simul-jobs-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~sqlite_fixture() {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }
    std::unique_ptr<job_store> open() {
        store_options o;
        o.clock_shift = [shift = shift_] { return std::chrono::microseconds(shift->load()); };
        return std::make_unique<detail::sqlite_store>((folder_ / "jobs.db").string(), o,
                                                      payload_format::pickle);
    }
    void advance(std::chrono::seconds s) { *shift_ += std::chrono::microseconds(s).count(); }

  private:
    fs::path folder_;
    std::shared_ptr<std::atomic<std::int64_t>> shift_ = std::make_shared<std::atomic<std::int64_t>>(0);
};

}  // namespace

TYPE_TO_STRING(sqlite_fixture);
SIMUL_STORE_CONTRACT(sqlite_fixture);
SIMUL_STORE_CONTRACT_ADMIN(sqlite_fixture);
