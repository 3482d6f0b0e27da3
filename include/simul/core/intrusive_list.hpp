#pragma once

#include <cstddef>

/// Doubly linked lists whose links live in the elements: nothing is allocated, removal is O(1).
///
/// An element derives from `list_node<Tag>` once for each list it can be in; `Tag` keeps these apart.
/// Threads: none of this is synchronised; a list belongs to one loop.
namespace simul::detail {

template <class Tag>
struct list_node {
    list_node* prev = nullptr;
    list_node* next = nullptr;

    list_node() = default;
    list_node(const list_node&) = delete;
    list_node& operator=(const list_node&) = delete;

    bool linked() const noexcept { return next != nullptr; }

    /// Takes the element out of its list; does nothing if it is in none.
    void unlink() noexcept {
        if (next == nullptr) return;
        prev->next = next;
        next->prev = prev;
        prev = next = nullptr;
    }

  protected:
    ~list_node() = default;
};

/// A circular list with the head as its sentinel. It does not own its elements.
template <class T, class Tag>
class intrusive_list {
    struct sentinel : list_node<Tag> {};

  public:
    intrusive_list() noexcept { head_.prev = head_.next = &head_; }
    intrusive_list(const intrusive_list&) = delete;
    intrusive_list& operator=(const intrusive_list&) = delete;

    bool empty() const noexcept { return head_.next == &head_; }
    T& front() noexcept { return static_cast<T&>(*head_.next); }

    void push_back(T& element) noexcept { insert_before(head_, element); }
    void push_front(T& element) noexcept { insert_before(*head_.next, element); }

    T* pop_front() noexcept {
        if (empty()) return nullptr;
        T& first = front();
        static_cast<list_node<Tag>&>(first).unlink();
        return &first;
    }

    /// Calls `f(T&)` for each element. `f` may unlink the element it is given, and no other.
    template <class F>
    void for_each(F&& f) {
        for (auto* node = head_.next; node != &head_;) {
            auto* following = node->next;
            f(static_cast<T&>(*node));
            node = following;
        }
    }

    /// The element after `element`, or null at the end.
    T* after(T& element) noexcept {
        auto* node = static_cast<list_node<Tag>&>(element).next;
        return node == &head_ ? nullptr : &static_cast<T&>(*node);
    }
    T* first() noexcept { return empty() ? nullptr : &front(); }

    /// The position behind the last element, for insert_before.
    list_node<Tag>* end_node() noexcept { return &head_; }

    /// Moves all elements of `other` to the end of this list.
    void splice_back(intrusive_list& other) noexcept {
        if (other.empty()) return;
        auto* first = other.head_.next;
        auto* last = other.head_.prev;
        first->prev = head_.prev;
        head_.prev->next = first;
        last->next = &head_;
        head_.prev = last;
        other.head_.prev = other.head_.next = &other.head_;
    }

    static void insert_before(list_node<Tag>& position, list_node<Tag>& element) noexcept {
        element.prev = position.prev;
        element.next = &position;
        position.prev->next = &element;
        position.prev = &element;
    }

  private:
    sentinel head_;
};

}  // namespace simul::detail
