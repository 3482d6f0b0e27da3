#include <simul/core/task_group.hpp>

namespace simul {
namespace detail {

void spawned_promise::unhandled_exception() noexcept { group_->owner_->fail(escaping()); }

// First turn: start. Second turn: the coroutine is at its end.
void spawned_promise::run() noexcept {
    if (!running_ && !scope_->canceled()) {
        running_ = true;
        scope_->on().current = scope_;
        handle().resume();
        return;
    }
    if (!running_) group_->cut_short_ = true;
    group_->ended(*this);
}

}  // namespace detail

void task_group::adopt(detail::spawned_promise* child) {
    if (owner_->running_count_ == 0) {
        child->destroy();
        throw std::system_error(make_error_code(errc::closed), "task_group::spawn: the group has ended");
    }
    if (scope_->canceled()) {  // children not yet started in a canceled scope never run
        cut_short_ = true;
        child->destroy();
        return;
    }
    child->group_ = this;
    child->scope_ = scope_;
    child->waiter_ = &waiter_;
    owner_->hold();
    if (running_ < limit_) {
        launch(*child);
    } else {
        queue_.push_back(*child);
        ++waiting_;
    }
}

void task_group::launch(detail::spawned_promise& child) noexcept {
    ++running_;
    children_.push_back(child);
    scope_->on().post(child.turn_);
}

void task_group::ended(detail::spawned_promise& child) noexcept {
    static_cast<detail::list_node<detail::group_tag>&>(child).unlink();
    child.destroy();
    child_gone();
}

void task_group::child_gone() noexcept {
    --running_;
    while (running_ < limit_ && waiting_ > 0) {
        detail::spawned_promise* next = queue_.pop_front();
        --waiting_;
        launch(*next);  // in a canceled scope it is dropped in its turn
    }
    if (size() == 0 && joining_ != nullptr) joining_->children_gone();
    owner_->let_go();
}

detail::promise_base* task_group::child_waiter::child_stopped(detail::promise_base& child) noexcept {
    static_cast<detail::list_node<detail::group_tag>&>(static_cast<detail::spawned_promise&>(child)).unlink();
    child.destroy();
    group->cut_short_ = true;
    group->child_gone();
    return nullptr;
}

}  // namespace simul
