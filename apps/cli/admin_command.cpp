#include "command.hpp"

#include <fmt/format.h>

#include <exception>
#include <system_error>

namespace simul::cli {
namespace {

template <class F>
int for_each_id(const common_options& common, const std::vector<std::string>& ids, std::string_view done,
                F step) {
    return run_command([&]() -> task<int> {
        std::unique_ptr<job_store> store = open(common);
        int status = ok;
        for (const std::string& id : ids) {
            std::exception_ptr error;
            try {
                co_await step(*store, id);
            } catch (const std::system_error&) {  // reported below; the other ids have their turn
                error = std::current_exception();
            }
            if (error)
                status = report(error);
            else if (common.json)
                print_line(value().set("id", id).set("done", done));
            else
                print(fmt::format("Job {} {}.\n", id, done));
        }
        co_return status;
    });
}

}  // namespace

int requeue(const common_options& common, const std::vector<std::string>& ids) {
    return for_each_id(common, ids, "requeued",
                       [](job_store& s, const std::string& id) { return s.requeue(id); });
}
int cancel(const common_options& common, const std::vector<std::string>& ids) {
    return for_each_id(common, ids, "canceled",
                       [](job_store& s, const std::string& id) { return s.cancel(id); });
}
int suspend(const common_options& common, bool on) {
    return run_command([&]() -> task<int> {
        std::unique_ptr<job_store> store = open(common);
        co_await store->set_suspended(on);
        if (!common.json)
            print(on ? "Workers are suspended; `simul resume` lets them go on.\n"
                     : "Workers take jobs again.\n");
        co_return ok;
    });
}

}  // namespace simul::cli
