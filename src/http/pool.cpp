#include "http/pool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include <simul/base/error.hpp>

namespace simul::http::detail {

// --- a connection that nobody has

void pooled_connection::unattended() noexcept {
    if (state_ == state::idle) {
        owner_->evict(*this);  // an end, or bytes that nobody asked for
        return;
    }
    if (state_ != state::draining || !drain_input()) return;
    if (ended() || failure() != 0)
        owner_->evict(*this);
    else
        watch();  // if that completes at once it comes back here, a few times at most: see drain_bytes_max
}

void pooled_connection::too_late() noexcept {
    if (state_ == state::idle || state_ == state::draining) owner_->evict(*this);
}

// Reads what there is of a response that nobody wants. True: it goes on.
bool pooled_connection::drain_input() noexcept {
    std::string_view rest = input();
    const std::size_t unread = rest.size();
    try {
        for (;;) {
            const wire_event event = parser.next(rest);
            consume(input().size() - rest.size());
            if (event == wire_event::need_input) break;
            if (event == wire_event::end) {
                if (parser.keep_alive() && input().empty() && !ended() && failure() == 0)
                    owner_->drained(*this);
                else
                    owner_->evict(*this);
                return false;
            }
        }
    } catch (const wire_error&) {
        owner_->evict(*this);
        return false;
    }
    if (unread > drain_bytes_left_) {
        owner_->evict(*this);
        return false;
    }
    drain_bytes_left_ -= unread;
    return true;
}

// --- lease

void lease::open(std::unique_ptr<stream> over) {
    connection_ = std::make_unique<pooled_connection>(*pool_, *origin_, std::move(over), pool_->on(),
                                                      pool_->options().head);
    ++pool_->counts.connections_opened;
}

void lease::close() noexcept {
    connection_.reset();
    if (origin_ != nullptr) pool_->release(*std::exchange(origin_, nullptr));
}

void lease::keep() noexcept {
    if (!connection_) {
        close();
        return;
    }
    origin_ = nullptr;
    pool_->keep(std::move(connection_));
}

void lease::drain() noexcept {
    if (!connection_) {
        close();
        return;
    }
    origin_ = nullptr;
    pool_->drain(std::move(connection_));
}

// --- waiting in line

bool acquire_operation::start() noexcept {
    from_.line_.push_back(*this);
    ++origin_.waiting;
    const time_point now = loop_access::of(on()).now();
    deadline = std::min(later(now, limit_), latest_);
    if (deadline != time_point::max()) loop_access::timers(loop_access::of(on())).arm(*this);
    return true;
}

void acquire_operation::leave() noexcept {
    if (armed()) loop_access::timers(loop_access::of(on())).disarm(*this);
    if (!list_node<waiting_tag>::linked()) return;
    list_node<waiting_tag>::unlink();
    --origin_.waiting;
    from_.forget_if_unused(origin_);
}

void acquire_operation::hand_over(lease what) noexcept {
    got_ = std::move(what);
    leave();
    resume();
}

// --- pool

pool::~pool() { close(); }

void pool::bind_first(scheduler& on) {
    if (on_ != nullptr)
        throw std::system_error(make_error_code(simul::errc::wrong_loop),
                                "http::client: it is used by another event loop already; make one per loop");
    on_ = &on;
    join(on);
}

void pool::loop_ended() noexcept {
    give_up_unused();
    on_ = nullptr;
}

origin_slots& pool::at(std::string_view origin) {
    auto& slot = origins_[std::string(origin)];
    if (!slot) {
        slot = std::make_unique<origin_slots>();
        slot->name = origin;
    }
    return *slot;
}

bool pool::try_take(origin_slots& origin, lease& into) {
    if (!origin.idle.empty()) {
        auto reused = std::move(origin.idle.back());
        origin.idle.pop_back();
        reused->state_ = pooled_connection::state::busy;
        reused->set_idle_limit(time_point::max());
        into = lease(shared_from_this(), origin, std::move(reused));
        return true;
    }
    if (origin.open >= options_.connections_per_origin_max) return false;
    if (total_ >= options_.connections_max && !close_oldest_idle()) return false;
    ++total_;
    ++origin.open;
    into = lease(shared_from_this(), origin, nullptr);
    return true;
}

// Makes room for another origin.
bool pool::close_oldest_idle() noexcept {
    origin_slots* where = nullptr;
    for (auto& [name, each] : origins_) {
        if (each->idle.empty()) continue;
        if (where == nullptr || each->idle.front()->idle_since < where->idle.front()->idle_since)
            where = each.get();
    }
    if (where == nullptr) return false;
    where->idle.erase(where->idle.begin());
    --where->open;
    --total_;
    forget_if_unused(*where);
    return true;
}

void pool::release(origin_slots& origin) noexcept {
    --origin.open;
    --total_;
    serve();
    forget_if_unused(origin);
}

void pool::forget_if_unused(origin_slots& origin) noexcept {
    if (origin.open == 0 && origin.waiting == 0) origins_.erase(std::string(origin.name));
}

// Gives free room to those in line who can use it, first come first served.
void pool::serve() noexcept {
    if (closed_) return;
    for (acquire_operation* each = line_.first(); each != nullptr && total_ < options_.connections_max;) {
        acquire_operation* after = line_.after(*each);
        if (has_room(each->origin_)) {
            ++total_;
            ++each->origin_.open;
            each->hand_over(lease(shared_from_this(), each->origin_, nullptr));
        }
        each = after;
    }
}

void pool::keep(std::unique_ptr<pooled_connection> back) noexcept {
    origin_slots& origin = *back->home_;
    const auto give_up = [&] {
        back.reset();
        release(origin);
    };
    if (closed_ || back->ended() || back->failure() != 0 || !back->input().empty()) return give_up();
    if (!line_.empty()) {
        bool others = false;
        for (acquire_operation* each = line_.first(); each != nullptr; each = line_.after(*each)) {
            if (&each->origin_ == &origin) {
                back->state_ = pooled_connection::state::busy;
                each->hand_over(lease(shared_from_this(), origin, std::move(back)));
                return;
            }
            others = others || each->origin_.open < options_.connections_per_origin_max;
        }
        if (others) return give_up();  // they wait for the total
    }
    const duration time_max = std::min(options_.idle_time_max, back->idle_time_max);
    if (time_max <= duration::zero()) return give_up();
    pooled_connection& idle = *back;
    try {
        origin.idle.push_back(std::move(back));
    } catch (const std::bad_alloc&) {
        return give_up();
    }
    idle.state_ = pooled_connection::state::idle;
    idle.idle_since = idle.now();
    idle.set_idle_limit(later(idle.idle_since, time_max));
    idle.watch();  // may evict it at once
}

void pool::drain(std::unique_ptr<pooled_connection> back) noexcept {
    origin_slots& origin = *back->home_;
    pooled_connection& rest = *back;
    rest.state_ = pooled_connection::state::draining;
    rest.drain_bytes_left_ = options_.drain_bytes_max;
    try {
        if (!closed_ && rest.failure() == 0 && options_.drain_bytes_max > 0 &&
            options_.drain_time_max > duration::zero())
            draining_.push_back(std::move(back));
    } catch (const std::bad_alloc&) {
    }
    if (back) {
        back.reset();
        release(origin);
        return;
    }
    rest.set_idle_limit(later(rest.now(), options_.drain_time_max));
    rest.unattended();
}

std::unique_ptr<pooled_connection> pool::take_out(std::vector<std::unique_ptr<pooled_connection>>& from,
                                                  pooled_connection& which) noexcept {
    const auto at = std::find_if(from.begin(), from.end(), [&](auto& each) { return each.get() == &which; });
    if (at == from.end()) return nullptr;
    auto out = std::move(*at);
    from.erase(at);
    return out;
}

void pool::evict(pooled_connection& dying) noexcept {
    auto out =
        take_out(dying.state_ == pooled_connection::state::draining ? draining_ : dying.home_->idle, dying);
    assert(out && "an evicted connection was neither idle nor draining");
    dying.state_ = pooled_connection::state::dead;
    dying.set_idle_limit(time_point::max());
    dying.cancel_read();
    dead_.push_back(std::move(out));
    if (!armed()) {
        deadline = dying.now();
        loop_access::timers(loop_access::of(*on_)).arm(*this);
    }
}

void pool::drained(pooled_connection& clean) noexcept {
    auto out = take_out(draining_, clean);
    clean.state_ = pooled_connection::state::busy;
    clean.set_idle_limit(time_point::max());
    clean_.push_back(std::move(out));
    if (!armed()) {
        deadline = clean.now();
        loop_access::timers(loop_access::of(*on_)).arm(*this);
    }
}

void pool::fired() noexcept {
    const auto self = shared_from_this();
    auto dead = std::move(dead_);
    dead_.clear();
    for (auto& each : dead) {
        origin_slots& origin = *each->home_;
        each.reset();
        release(origin);
    }
    auto clean = std::move(clean_);
    clean_.clear();
    for (auto& each : clean) keep(std::move(each));
}

void pool::close_idle() noexcept {
    std::vector<std::unique_ptr<pooled_connection>> idle;
    for (auto& [name, each] : origins_) {
        for (auto& one : each->idle) idle.push_back(std::move(one));
        each->idle.clear();
    }
    for (auto& each : idle) {
        origin_slots& origin = *each->home_;
        each.reset();
        release(origin);
    }
}

void pool::close() noexcept {
    closed_ = true;
    give_up_unused();
}

// Closes all connections that no request has.
void pool::give_up_unused() noexcept {
    if (armed()) loop_access::timers(loop_access::of(*on_)).disarm(*this);
    for (auto& [name, each] : origins_) {
        each->open -= each->idle.size();
        total_ -= each->idle.size();
        each->idle.clear();
    }
    for (auto* list : {&draining_, &dead_, &clean_}) {
        for (auto& each : *list) {
            --each->home_->open;
            --total_;
        }
        list->clear();
    }
}

client_statistics pool::statistics() const noexcept {
    client_statistics now = counts;
    now.connections = total_;
    now.idle = 0;
    now.waiting = 0;
    for (const auto& [name, each] : origins_) {
        now.idle += each->idle.size();
        now.waiting += each->waiting;
    }
    return now;
}

}  // namespace simul::http::detail
