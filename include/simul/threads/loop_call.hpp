#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <simul/core/awaitable.hpp>
#include <simul/core/leaf.hpp>
#include <simul/core/outcome.hpp>
#include <simul/core/scheduler.hpp>
#include <simul/loop/loop.hpp>
#include <simul/threads/pool_loop.hpp>

/// The await of a coroutine that runs on another loop.
///
/// Theory. `loop_visit` is what both loops know of the call, so it is shared: it travels to the other loop
/// (as an inbox node), is the root of the coroutine there, and travels back with the outcome. The frame is
/// made and destroyed on the loop where it runs. A cancel travels behind it as a message of its own and may
/// cross the answer on its way; since it holds the visit too, it then finds it done and does nothing.
namespace simul::detail {

template <class T>
class loop_visit : public inbox_node,
                   public ready_node,
                   public result_waiter<T>,
                   public std::enable_shared_from_this<loop_visit<T>> {
  public:
    loop_visit() = default;
    virtual ~loop_visit() = default;

    /// On the caller's loop. `told` hears of the end there, by arrived_home().
    struct caller {
        virtual void arrived_home() noexcept = 0;

      protected:
        ~caller() = default;
    };
    void send(pool_loop& to, loop& from, const scope& of_caller, caller& told) noexcept {
        self_ = this->shared_from_this();
        told_ = &told;
        home_ = loop_access::box(from);
        home_->add_hope();
        scope_.set_deadline(of_caller.deadline());
        scope_.set_values(
            of_caller.values());  // they live in the frames of those who wait, and nobody changes them
        to_ = &to;
        to.box().push(*this);
    }
    /// On the caller's loop.
    void request_cancel(cancel_reason reason) noexcept {
        to_->handle().post([visit = this->shared_from_this(), reason = std::move(reason)] {
            if (visit->running_) visit->scope_.cancel(reason);
        });
    }
    /// On the caller's loop, when it has arrived home.
    outcome<T>& result() noexcept { return this->result_; }

  protected:
    /// Calls the function; on the pool's loop.
    virtual child_frame<T> make_frame() = 0;

  private:
    void arrived(loop* on) noexcept override {
        if (on_way_back_) {
            home_->drop_hope();
            told_->arrived_home();
            self_.reset();
            return;
        }
        scope_.open_root(loop_access::as_scheduler(*on));
        running_ = true;
        scope_.on().post(*this);
    }

    void run() noexcept override {
        const auto keep = self_;  // the caller's loop may be done with the visit before this function is
        scope_.on().current = &scope_;
        if (frame_ == nullptr && !started_) return start();
        std::exchange(frame_, nullptr)->destroy();
        go_home();
    }
    void start() noexcept {
        started_ = true;
        if (scope_.canceled()) {
            this->result_.set_canceled();
            return go_home();
        }
        try {
            frame_ = make_frame().release();
        } catch (...) {  // carried to the caller
            this->result_.set_error(std::current_exception());
            return go_home();
        }
        frame_->waiter_ = this;
        frame_->scope_ = &scope_;
        frame_->handle().resume();
    }
    std::coroutine_handle<> child_done(promise_base&) noexcept override {
        scope_.on().post(*this);
        return std::noop_coroutine();
    }
    promise_base* child_stopped(promise_base& child) noexcept override {
        const auto keep = self_;
        child.destroy();
        frame_ = nullptr;
        this->result_.set_canceled();
        go_home();
        return nullptr;
    }
    void go_home() noexcept {
        running_ = false;
        scope_.close();
        to_->end();
        on_way_back_ = true;
        home_->push(*this);
    }

    pool_loop* to_ = nullptr;
    caller* told_ = nullptr;
    std::shared_ptr<inbox> home_;
    std::shared_ptr<loop_visit> self_;  ///< while it travels
    scope scope_;
    promise_base* frame_ = nullptr;
    bool started_ = false;
    bool running_ = false;  ///< used on the pool's loop only
    bool on_way_back_ = false;
};

template <class T, class F, class... Args>
class loop_visit_of final : public loop_visit<T> {
  public:
    template <class G, class... A>
    explicit loop_visit_of(G&& function, A&&... arguments)
        : function_(std::forward<G>(function)), arguments_(std::forward<A>(arguments)...) {}

  private:
    child_frame<T> make_frame() override {
        return std::apply([this](Args&... each) { return frame_of_call(function_, std::move(each)...); },
                          arguments_);
    }

    F function_;
    std::tuple<Args...> arguments_;
};

template <class T, class F, class... Args>
class loop_call final : public leaf_operation<loop_call<T, F, Args...>>, private loop_visit<T>::caller {
  public:
    template <class G, class... A>
    explicit loop_call(pool_loops& loops, G&& function, A&&... arguments)
        : loops_(loops),
          visit_(std::make_shared<loop_visit_of<T, F, Args...>>(std::forward<G>(function),
                                                                std::forward<A>(arguments)...)) {}

    bool ready() const noexcept { return false; }
    bool start() {
        visit_->send(loops_.pick(), loop_access::of(this->on()), this->my_scope(), *this);
        return true;
    }
    T result() { return std::move(visit_->result()).value(); }
    const char* describe() const noexcept override { return "call on a loop of a thread pool"; }

  private:
    void arrived_home() noexcept override {
        if (visit_->result().canceled() && this->canceled())
            this->stop();
        else
            this->resume();
    }
    void on_cancel() noexcept override { visit_->request_cancel(this->my_scope().reason()); }

    pool_loops& loops_;
    std::shared_ptr<loop_visit<T>> visit_;
};

}  // namespace simul::detail
