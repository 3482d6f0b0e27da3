#include <simul/redis/error.hpp>

#include <string>

namespace simul::redis {
namespace {

class category_of_clients final : public std::error_category {
  public:
    const char* name() const noexcept override { return "simul.redis"; }
    std::string message(int code) const override {
        switch (static_cast<client_errc>(code)) {
            case client_errc::connection_lost:
                return "the connection was lost; commands under way may have happened or not";
            case client_errc::no_answer:
                return "no answer in time; the connection was given up";
            case client_errc::cannot_connect:
                return "no connection in time";
            case client_errc::authentication:
                return "the right user and password belong into the server's URL";
            case client_errc::not_ready:
                return "the server cannot serve now";
            case client_errc::too_old:
                return "Redis 6.2 or newer, or Valkey, is needed";
            case client_errc::too_many_waiting:
                return "too many commands wait for an answer";
            case client_errc::no_primary:
                return "no primary server could be found";
        }
        return "unknown error";
    }
    std::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<client_errc>(code)) {
            case client_errc::connection_lost:
            case client_errc::no_answer:
                return condition::disconnected;
            case client_errc::cannot_connect:
            case client_errc::not_ready:
            case client_errc::too_many_waiting:
            case client_errc::no_primary:
                return condition::retry_later;
            case client_errc::too_old:
                return condition::unsupported;
            case client_errc::authentication:
                break;
        }
        return {code, *this};
    }
};

}  // namespace

const std::error_category& client_category() noexcept {
    static const category_of_clients instance;
    return instance;
}
std::error_code make_error_code(client_errc e) noexcept { return {static_cast<int>(e), client_category()}; }

}  // namespace simul::redis
