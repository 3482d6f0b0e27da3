#include "processes/remote_exception.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <typeinfo>

#include <simul/base/error.hpp>
#include <simul/processes/code_ref.hpp>

namespace simul::detail {
namespace {

std::string demangled(const char* name) {
    int status = 0;
    std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status),
                                                &std::free);
    return status == 0 ? text.get() : name;
}

std::string current_type_name() {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return type == nullptr ? "unknown exception" : demangled(type->name());
}

/// Has the text that the original had: std::system_error itself would append the text of the code once more.
class crossed_system_error final : public std::system_error {
  public:
    crossed_system_error(std::error_code code, const std::string& text)
        : std::system_error(code), text_(text) {}
    const char* what() const noexcept override { return text_.what(); }

  private:
    std::runtime_error text_;  // a string whose copies cannot throw
};

const std::error_category* find_category(const wire::error_message& message) {
    if (message.category.image.empty()) return nullptr;
    try {
        return static_cast<const std::error_category*>(resolve(message.category));
    } catch (const std::system_error&) {  // a shared object that only the worker has loaded
        return nullptr;
    }
}

}  // namespace

wire::error_message describe_exception(const std::exception_ptr& error) {
    wire::error_message message;
    try {
        std::rethrow_exception(error);
    } catch (const std::system_error& e) {
        message.what = wire::error_message::kind::system;
        message.code = e.code().value();
        message.category_name = e.code().category().name();
        if (auto place = find_code_ref(&e.code().category())) message.category = *std::move(place);
        message.type_name = current_type_name();
        message.message = e.what();
    } catch (const std::exception& e) {
        message.type_name = current_type_name();
        message.message = e.what();
    } catch (...) {  // its type name is all that is known
        message.type_name = current_type_name();
        message.message = "not derived from std::exception";
    }
    return message;
}

std::exception_ptr make_exception(const wire::error_message& message) {
    if (message.what == wire::error_message::kind::system) {
        if (const auto* category = find_category(message))
            return std::make_exception_ptr(crossed_system_error({message.code, *category}, message.message));
    }
    return std::make_exception_ptr(remote_error(message.type_name, message.message));
}

}  // namespace simul::detail
