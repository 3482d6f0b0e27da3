#pragma once

#include <coroutine>
#include <exception>
#include <utility>

#include <simul/core/awaitable.hpp>
#include <simul/core/cancel_scope.hpp>
#include <simul/core/promise_base.hpp>
#include <simul/core/task.hpp>

/// What all combinators have in common: an await that opens a scope and runs children in it.
///
/// Theory. A boundary is the awaiter of a combinator. It lives in the frame of the awaiting coroutine (the
/// parent) and ends once: when its children are done and their frames destroyed, it puts itself into the
/// ready queue; in its turn it closes the scope and then either resumes the parent or, if the result is
/// missing because of a cancel from outside, lets the parent be unwound. So neither a child's last step nor
/// an unwinding runs inside another.
namespace simul::detail {

class boundary : public awaiter_base, public ready_node {
  public:
    bool await_ready() const noexcept { return false; }

    scope& inner() noexcept { return scope_; }

  protected:
    boundary() = default;
    ~boundary() = default;

    scheduler& on() const noexcept { return scope_.on(); }
    void open(bool shielded = false) noexcept { scope_.open(*awaiting_->scope_, shielded); }

    /// All children are done. May be called at any time; the parent goes on in its turn.
    void end() noexcept { on().post(*this); }

    /// Asked once, after the scope was closed: is there a result (or an error) for the parent? If not, the
    /// parent is unwound.
    virtual bool has_result() noexcept = 0;

    void leave() noexcept {
        left_ = true;
        on().current = awaiting_->scope_;
        scope_.close();
    }

    void run() noexcept override {
        if (!left_) leave();
        if (has_result())
            awaiting_->handle().resume();
        else
            unwind(awaiting_);
    }

    scope scope_;

  private:
    bool left_ = false;
};

/// A boundary with one child that starts at once, by symmetric transfer, and continues the parent in the same
/// way.
template <class T>
class single_child : public boundary, public result_waiter<T> {
  public:
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise>) noexcept {
        static_assert(std::is_base_of_v<promise_base, Promise>, "await it in a simul::task");
        this->parent = this->awaiting_;
        this->open(shielded_);
        opened();
        if (scope_.canceled()) {  // a child that has not started in a canceled scope never runs
            drop_child();
            this->result_.set_canceled();
            this->end();
            return std::noop_coroutine();
        }
        child_->waiter_ = this;
        child_->scope_ = &scope_;
        on().current = &scope_;
        return on().transfer(child_->handle());
    }

  protected:
    explicit single_child(promise_base* child, bool shielded = false) noexcept
        : child_(child), shielded_(shielded) {}
    ~single_child() { drop_child(); }

    /// For children that need the scope to be made.
    void adopt(promise_base* child) noexcept { child_ = child; }

    /// The scope is open and the child not started: set a deadline, arm a timer.
    virtual void opened() noexcept {}
    /// The child is done: disarm.
    virtual void closing() noexcept {}
    bool has_result() noexcept override { return !this->result_.canceled(); }

  private:
    std::coroutine_handle<> child_done(promise_base&) noexcept override {
        closing();
        leave();
        if (has_result()) return on().transfer(awaiting_->handle());
        this->end();
        return std::noop_coroutine();
    }

    promise_base* child_stopped(promise_base& child) noexcept override {
        child.destroy();
        child_ = nullptr;
        this->result_.set_canceled();
        closing();
        this->end();
        return nullptr;
    }

    void drop_child() noexcept {
        if (child_ != nullptr) std::exchange(child_, nullptr)->destroy();
    }

    promise_base* child_;
    bool shielded_;
};

class many_children;

/// One of several children. Its frame is destroyed, in a turn of its own, before its owner hears that it is
/// done.
class child_slot_base : public ready_node {
  public:
    void start(many_children& owner) noexcept;

    bool started() const noexcept { return owner_ != nullptr; }

  protected:
    child_slot_base() = default;
    ~child_slot_base() {
        if (child_ != nullptr) child_->destroy();
    }

    virtual waiter& as_waiter() noexcept = 0;
    virtual void set_canceled() noexcept = 0;

    void run() noexcept final;
    std::coroutine_handle<> done() noexcept;
    promise_base* stopped(promise_base& child) noexcept;

    promise_base* child_ = nullptr;
    many_children* owner_ = nullptr;
    bool running_ = false;
};

template <class T>
class child_slot : public child_slot_base, public result_waiter<T> {
  public:
    child_slot() = default;
    explicit child_slot(child_frame<T>&& frame) noexcept { set(std::move(frame)); }
    void set(child_frame<T>&& frame) noexcept { this->child_ = frame.release(); }

    outcome<T>& result() noexcept { return this->result_; }

  private:
    waiter& as_waiter() noexcept override { return *this; }
    void set_canceled() noexcept override { this->result_.set_canceled(); }
    std::coroutine_handle<> child_done(promise_base&) noexcept override { return done(); }
    promise_base* child_stopped(promise_base& child) noexcept override { return stopped(child); }
};

/// A boundary over several children.
class many_children : public boundary {
  protected:
    friend child_slot_base;

    /// A child is done and its frame gone. Called in a turn of its own, in the order of completion.
    virtual void settled(child_slot_base& slot) noexcept = 0;

    void one_settled() noexcept {
        if (--running_count_ == 0) end();
    }
    /// Keeps the first error and cancels the others; later ones are attached to it.
    void fail(std::exception_ptr error) noexcept;

    std::size_t running_count_ = 0;
    std::exception_ptr first_error_;
};

}  // namespace simul::detail
