#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include <simul/base/error.hpp>
#include <simul/core/leaf.hpp>

namespace simul {

/// A queue between tasks, with room for `capacity` items: a full one makes senders wait, an empty one
/// receivers.
///
/// Any number of producers and consumers; items arrive in the order sent, waiting tasks are served in the
/// order they came. Capacity 0: a send waits until a receiver takes the item from its hand. close() ends it:
/// receivers get what is left and then nothing (an empty optional); senders get errc::closed.
///
/// Cancel:   all or nothing. A canceled send did not send. An item that was handed to a receiver whose cancel
/// came
///           before its turn goes back to the head of the queue, which may hold one more than its capacity
///           for it.
/// Lifetime: must outlive its waiters. Threads: one loop.
template <class T>
class channel {
  public:
    explicit channel(std::size_t capacity = 0) : capacity_(capacity) {}
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    ~channel() {
        assert(senders_.empty() && receivers_.empty() && "a channel was destroyed while tasks wait for it");
    }

    class send_operation;
    class receive_operation;

    /// Puts `item` in; waits while it is full. Throws errc::closed if it is or gets closed: the item was not
    /// sent.
    send_operation send(T item) { return send_operation(*this, std::move(item)); }
    /// The next item; nothing once it is closed and empty.
    receive_operation receive() noexcept { return receive_operation(*this); }

    /// Never waits: false, and `item` unchanged, if it is full. Throws errc::closed if it is closed.
    bool try_send(T& item) {
        if (closed_) throw_closed();
        if (receive_operation* receiver = receivers_.pop_front()) {
            receiver->handed(std::move(item), handed_count_++);
            return true;
        }
        if (size() >= capacity_) return false;
        items_.push_back(std::move(item));
        return true;
    }
    bool try_send(T&& item) { return try_send(item); }
    /// Never waits: nothing if there is no item now.
    std::optional<T> try_receive() {
        if (!returned_.empty()) {
            std::optional<T> item(std::move(returned_.begin()->second));
            returned_.erase(returned_.begin());
            refill();
            return item;
        }
        if (items_.empty()) {
            if (send_operation* sender = senders_.pop_front()) return sender->taken();
            return std::nullopt;
        }
        std::optional<T> item(std::move(items_.front()));
        items_.pop_front();
        refill();
        return item;
    }

    /// No more items. Waiting senders get errc::closed, waiting receivers nothing. Again: does nothing.
    void close() noexcept {
        if (closed_) return;
        closed_ = true;
        while (send_operation* sender = senders_.pop_front()) sender->refused();
        while (receive_operation* receiver = receivers_.pop_front()) receiver->ended();
    }

    bool closed() const noexcept { return closed_; }
    std::size_t size() const noexcept { return items_.size() + returned_.size(); }
    bool empty() const noexcept { return size() == 0; }
    std::size_t capacity() const noexcept { return capacity_; }

  private:
    struct sending_tag;
    struct receiving_tag;

    [[noreturn]] static void throw_closed() {
        throw std::system_error(make_error_code(errc::closed), "channel::send: the channel is closed");
    }
    /// Lets a waiting sender have room that has become free.
    void refill() {
        if (size() < capacity_)
            if (send_operation* sender = senders_.pop_front()) items_.push_back(sender->taken());
    }
    /// An item comes back from a receiver that was canceled. `order`: it was the so-manieth to be handed out.
    void take_back(T&& item, std::uint64_t order) {
        if (receive_operation* receiver = receivers_.pop_front())
            receiver->handed(std::move(item), order);
        else
            returned_.emplace(order, std::move(item));
    }

    std::size_t capacity_;
    bool closed_ = false;
    std::deque<T> items_;
    /// Before items_: what came back, by the order in which it was handed out, since receivers may be
    /// canceled in any order.
    std::map<std::uint64_t, T> returned_;
    std::uint64_t handed_count_ = 0;
    detail::intrusive_list<send_operation, sending_tag> senders_;
    detail::intrusive_list<receive_operation, receiving_tag> receivers_;
};

template <class T>
class [[nodiscard("await it: co_await channel.send(item)")]] channel<T>::send_operation final
    : public detail::leaf_operation<send_operation>,
      public detail::list_node<sending_tag> {
  public:
    send_operation(channel& to, T&& item) : channel_(to), item_(std::move(item)) {}
    ~send_operation() { detail::list_node<sending_tag>::unlink(); }

    bool ready() { return channel_.try_send(item_); }
    bool start() noexcept {
        channel_.senders_.push_back(*this);
        return true;
    }
    void result() const {
        if (refused_) throw_closed();
    }
    const char* describe() const noexcept override { return "send to a channel"; }

    T taken() noexcept {
        this->resume();
        return std::move(item_);
    }
    void refused() noexcept {
        refused_ = true;
        this->resume();
    }

  private:
    void on_cancel() noexcept override {
        detail::list_node<sending_tag>::unlink();
        this->stop();
    }
    channel& channel_;
    T item_;
    bool refused_ = false;
};

template <class T>
class [[nodiscard("await it: co_await channel.receive()")]] channel<T>::receive_operation final
    : public detail::leaf_operation<receive_operation>,
      public detail::list_node<receiving_tag> {
  public:
    explicit receive_operation(channel& from) noexcept : channel_(from) {}
    ~receive_operation() { detail::list_node<receiving_tag>::unlink(); }

    bool ready() {
        item_ = channel_.try_receive();
        return item_.has_value() || channel_.closed_;
    }
    bool start() noexcept {
        channel_.receivers_.push_back(*this);
        return true;
    }
    std::optional<T> result() noexcept { return std::move(item_); }
    const char* describe() const noexcept override { return "receive from a channel"; }

    void handed(T&& item, std::uint64_t order) {
        item_.emplace(std::move(item));
        order_ = order;
        this->resume();
    }
    void ended() noexcept { this->resume(); }

  private:
    void on_cancel() noexcept override {
        detail::list_node<receiving_tag>::unlink();
        this->stop();
    }
    void on_cancel_late() noexcept override {
        if (!item_) return;  // woken by close(): nothing to give back, and the end is a result
        channel_.take_back(std::move(*item_), order_);
        this->revoke();
    }
    channel& channel_;
    std::optional<T> item_;
    std::uint64_t order_ = 0;
};

}  // namespace simul
