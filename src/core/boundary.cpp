#include <simul/core/attached_errors.hpp>
#include <simul/core/boundary.hpp>

namespace simul::detail {

void child_slot_base::start(many_children& owner) noexcept {
    owner_ = &owner;
    ++owner.running_count_;
    owner.inner().on().post(*this);
}

void child_slot_base::run() noexcept {
    scope& in = owner_->inner();
    in.on().current = &in;
    if (!running_ && !in.canceled()) {
        running_ = true;
        waiter& me = as_waiter();
        me.parent = owner_->awaiting_;
        child_->waiter_ = &me;
        child_->scope_ = &in;
        child_->handle().resume();
        return;
    }
    if (!running_) set_canceled();  // not started in a canceled scope: it never runs
    std::exchange(child_, nullptr)->destroy();
    owner_->settled(*this);
}

std::coroutine_handle<> child_slot_base::done() noexcept {
    owner_->inner().on().post(*this);
    return std::noop_coroutine();
}

promise_base* child_slot_base::stopped(promise_base& child) noexcept {
    child.destroy();
    child_ = nullptr;
    set_canceled();
    owner_->settled(*this);
    return nullptr;
}

namespace {
std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "an exception of unknown type";
    }
}
}  // namespace

void many_children::fail(std::exception_ptr error) noexcept {
    if (first_error_) {
        attach_error(first_error_, std::move(error));
        return;
    }
    first_error_ = std::move(error);
    scope_.cancel({cancel_reason::kind::sibling_failed, text_of(first_error_)});
}

}  // namespace simul::detail
