#include <doctest/doctest.h>

#include <vector>

#include <simul/core/intrusive_list.hpp>

namespace {
struct one;
struct two;
struct item : simul::detail::list_node<one>, simul::detail::list_node<two> {
    explicit item(int v) : value(v) {}
    int value;
};
using list = simul::detail::intrusive_list<item, one>;
using other_list = simul::detail::intrusive_list<item, two>;

std::vector<int> values(list& l) {
    std::vector<int> got;
    l.for_each([&](item& i) { got.push_back(i.value); });
    return got;
}
}  // namespace

TEST_CASE("an intrusive list keeps the order of its elements at both ends") {
    list l;
    item a(1), b(2), c(3);
    CHECK(l.empty());
    CHECK(l.pop_front() == nullptr);
    CHECK(l.first() == nullptr);
    l.push_back(b);
    l.push_back(c);
    l.push_front(a);
    CHECK(values(l) == std::vector{1, 2, 3});
    CHECK(l.after(a) == &b);
    CHECK(l.after(c) == nullptr);
    CHECK(l.pop_front() == &a);
    CHECK_FALSE(static_cast<simul::detail::list_node<one>&>(a).linked());
    CHECK(values(l) == std::vector{2, 3});
}

TEST_CASE("an element can leave its list from anywhere, twice, and be in several lists at once") {
    list l;
    other_list m;
    item a(1), b(2), c(3);
    for (item* i : {&a, &b, &c}) l.push_back(*i), m.push_back(*i);
    static_cast<simul::detail::list_node<one>&>(b).unlink();
    static_cast<simul::detail::list_node<one>&>(b).unlink();
    CHECK(values(l) == std::vector{1, 3});
    CHECK(m.after(a) == &b);
}

TEST_CASE("for_each may take out the element it is at") {
    list l;
    item a(1), b(2), c(3);
    for (item* i : {&a, &b, &c}) l.push_back(*i);
    l.for_each([](item& i) {
        if (i.value != 2) static_cast<simul::detail::list_node<one>&>(i).unlink();
    });
    CHECK(values(l) == std::vector{2});
}

TEST_CASE("splice_back moves all elements of another list, also of and to an empty one") {
    list l, m;
    item a(1), b(2), c(3);
    m.push_back(b);
    m.push_back(c);
    l.splice_back(m);
    CHECK(m.empty());
    CHECK(values(l) == std::vector{2, 3});
    m.push_back(a);
    m.splice_back(l);
    m.splice_back(l);
    CHECK(values(m) == std::vector{1, 2, 3});
    list::insert_before(a, b.value == 2 ? *new item(0) : a);
    CHECK(m.front().value == 0);
    delete m.pop_front();
}
