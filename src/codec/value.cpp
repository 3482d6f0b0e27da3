#include <simul/codec/value.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>
#include <ostream>
#include <utility>

#include <simul/codec/python_text.hpp>

#include "repr.hpp"

namespace simul {
namespace {

constexpr std::size_t searched_from_the_front = 8;

std::strong_ordering compare_items(std::span<const value> a, std::span<const value> b) {
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
        if (const auto order = a[i] <=> b[i]; order != 0) return order;
    return a.size() <=> b.size();
}

template <class Item, class Less>
std::vector<const Item*> sorted(std::span<const Item> items, Less less) {
    std::vector<const Item*> result;
    result.reserve(items.size());
    for (const Item& item : items) result.push_back(&item);
    std::sort(result.begin(), result.end(), [&](const Item* a, const Item* b) { return less(*a, *b); });
    return result;
}

std::strong_ordering compare_sets(std::span<const value> a, std::span<const value> b) {
    const auto left = sorted(a, std::less<>());
    const auto right = sorted(b, std::less<>());
    for (std::size_t i = 0; i < left.size() && i < right.size(); ++i)
        if (const auto order = *left[i] <=> *right[i]; order != 0) return order;
    return left.size() <=> right.size();
}

std::strong_ordering compare_dicts(std::span<const value::entry> a, std::span<const value::entry> b) {
    const auto by_key = [](const value::entry& x, const value::entry& y) { return x.key < y.key; };
    const auto left = sorted(a, by_key);
    const auto right = sorted(b, by_key);
    for (std::size_t i = 0; i < left.size() && i < right.size(); ++i) {
        if (const auto order = left[i]->key <=> right[i]->key; order != 0) return order;
        if (const auto order = left[i]->value <=> right[i]->value; order != 0) return order;
    }
    return left.size() <=> right.size();
}

// Positions of `items` in the order that `less` gives; equal ones stay in the order of their positions.
template <class Items, class Less>
std::vector<std::uint32_t> positions_in_order(const Items& items, Less less) {
    std::vector<std::uint32_t> order(items.size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        if (less(items[a], items[b])) return true;
        return a < b && !less(items[b], items[a]);
    });
    return order;
}

std::vector<value> without_duplicates(std::vector<value> items) {
    const auto order = positions_in_order(items, std::less<>());
    std::vector<bool> drop(items.size());
    for (std::size_t i = 1; i < order.size(); ++i) drop[order[i]] = items[order[i]] == items[order[i - 1]];
    std::vector<value> kept;
    kept.reserve(items.size());
    for (std::size_t i = 0; i < items.size(); ++i)
        if (!drop[i]) kept.push_back(std::move(items[i]));
    return kept;
}

bool has_duplicates(std::span<const value::entry> entries) {
    for (std::size_t i = 1; i < entries.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
            if (entries[i].key == entries[k].key) return true;
    return false;
}

std::string_view name_of(value::kind k) {
    switch (k) {
        case value::kind::null:
            return "NoneType";
        case value::kind::boolean:
            return "bool";
        case value::kind::integer:
        case value::kind::big_integer:
            return "int";
        case value::kind::floating:
            return "float";
        case value::kind::string:
            return "str";
        case value::kind::bytes:
            return "bytes";
        case value::kind::list:
            return "list";
        case value::kind::tuple:
            return "tuple";
        case value::kind::set:
            return "set";
        case value::kind::dict:
            return "dict";
    }
    return "value";
}

}  // namespace

// --- dict
// -----------------------------------------------------------------------------------------------------------

value::dict_data::dict_data() noexcept = default;
value::dict_data::dict_data(dict_data&&) noexcept = default;
value::dict_data& value::dict_data::operator=(dict_data&&) noexcept = default;
value::dict_data::~dict_data() = default;

value::dict_data::dict_data(const dict_data& other)
    : entries_(other.entries_),
      order_(other.order_ ? std::make_unique<std::vector<std::uint32_t>>(*other.order_) : nullptr) {}

value::dict_data& value::dict_data::operator=(const dict_data& other) {
    if (this != &other) *this = dict_data(other);
    return *this;
}

value::dict_data::dict_data(std::vector<entry> entries) : entries_(std::move(entries)) {
    if (entries_.size() <= searched_from_the_front && !has_duplicates(entries_)) return;
    index();
    // Runs of equal keys: the first position keeps the last value.
    std::vector<std::uint32_t> order;
    order.swap(*order_);
    std::vector<bool> drop(entries_.size());
    bool any = false;
    for (std::size_t begin = 0; begin < order.size();) {
        std::size_t end = begin + 1;
        while (end < order.size() && entries_[order[end]].key == entries_[order[begin]].key)
            drop[order[end++]] = any = true;
        if (end - begin > 1) entries_[order[begin]].value = std::move(entries_[order[end - 1]].value);
        begin = end;
    }
    if (any) {
        std::vector<entry> kept;
        for (std::size_t i = 0; i < entries_.size(); ++i)
            if (!drop[i]) kept.push_back(std::move(entries_[i]));
        entries_ = std::move(kept);
        index();
    } else {
        order_->swap(order);
    }
    if (entries_.size() <= searched_from_the_front) order_.reset();
}

void value::dict_data::index() {
    order_ = std::make_unique<std::vector<std::uint32_t>>(
        positions_in_order(entries_, [](const entry& a, const entry& b) { return a.key < b.key; }));
}

template <class Key>
const value* value::dict_data::find(const Key& key) const {
    if (!order_) {
        for (const entry& e : entries_)
            if (compare_key(e.key, key) == 0) return &e.value;
        return nullptr;
    }
    const auto at = std::lower_bound(
        order_->begin(), order_->end(), key,
        [this](std::uint32_t position, const Key& k) { return compare_key(entries_[position].key, k) < 0; });
    if (at == order_->end() || compare_key(entries_[*at].key, key) != 0) return nullptr;
    return &entries_[*at].value;
}

void value::dict_data::set(value key, value item) {
    if (const value* present = find(key)) {
        const_cast<value&>(*present) = std::move(item);  // ours: find() is const for the readers
        return;
    }
    if (order_) {
        const auto at = std::lower_bound(
            order_->begin(), order_->end(), key,
            [this](std::uint32_t position, const value& k) { return entries_[position].key < k; });
        order_->insert(at, static_cast<std::uint32_t>(entries_.size()));
    }
    entries_.push_back({std::move(key), std::move(item)});
    if (!order_ && entries_.size() > searched_from_the_front) index();
}

// --- making
// ---------------------------------------------------------------------------------------------------------

value::value(big_integer number) {
    const std::string& text = number.decimal();
    std::int64_t small = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), small).ec == std::errc())
        data_ = small;
    else
        data_ = std::move(number);
}

value value::from_unsigned(std::uint64_t number) {
    if (number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return value(std::in_place, static_cast<std::int64_t>(number));
    return value(big_integer::from_decimal(fmt::format("{}", number)));
}

template <class Data>
value value::with(Data data) {
    value result;
    result.data_ = std::move(data);
    return result;
}

value value::list(std::vector<value> items) { return with(list_data{std::move(items)}); }
value value::tuple(std::vector<value> items) { return with(tuple_data{std::move(items)}); }
value value::set(std::vector<value> items) { return with(set_data{without_duplicates(std::move(items))}); }
value value::dict(std::vector<entry> entries) { return with(dict_data(std::move(entries))); }
value value::dict(std::initializer_list<entry> entries) { return dict(std::vector<entry>(entries)); }

value value::dict() { return with(dict_data()); }

value& value::set(value key, value item) {
    if (is_null()) data_ = dict_data();
    auto* dict = std::get_if<dict_data>(&data_);
    if (dict == nullptr) fail("a dict");
    dict->set(std::move(key), std::move(item));
    return *this;
}

value& value::push_back(value item) {
    if (is_null()) data_ = list_data();
    auto* list = std::get_if<list_data>(&data_);
    if (list == nullptr) fail("a list");
    list->items.push_back(std::move(item));
    return *this;
}

// --- reading
// --------------------------------------------------------------------------------------------------------

value::kind value::type() const noexcept { return static_cast<kind>(data_.index()); }

std::string_view value::type_name() const noexcept { return name_of(type()); }

void value::fail(std::string_view expected) const { fail_expected(value_path(), expected, *this); }

bool value::as_bool() const {
    if (const auto* b = std::get_if<bool>(&data_)) return *b;
    fail("a bool");
}

std::int64_t value::as_int() const {
    if (const auto* n = std::get_if<std::int64_t>(&data_)) return *n;
    fail(type() == kind::big_integer ? "an integer of 64 bits" : "an integer");
}

double value::as_double() const {
    if (const auto* d = std::get_if<double>(&data_)) return *d;
    if (const auto* n = std::get_if<std::int64_t>(&data_)) return static_cast<double>(*n);
    if (const auto* n = std::get_if<simul::big_integer>(&data_)) {
        const std::string& text = n->decimal();
        double result = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), result).ec == std::errc()) return result;
        fail("a number that fits a double");
    }
    fail("a number");
}

const std::string& value::as_string() const {
    if (const auto* s = std::get_if<std::string>(&data_)) return *s;
    fail("a string");
}

const bytes& value::as_bytes() const {
    if (const auto* b = std::get_if<simul::bytes>(&data_)) return *b;
    fail("bytes");
}

std::string value::as_decimal() const {
    if (const auto* n = std::get_if<std::int64_t>(&data_)) return fmt::format("{}", *n);
    if (const auto* n = std::get_if<simul::big_integer>(&data_)) return n->decimal();
    fail("an integer");
}

std::span<const value> value::items() const {
    if (const auto* list = std::get_if<list_data>(&data_)) return list->items;
    if (const auto* tuple = std::get_if<tuple_data>(&data_)) return tuple->items;
    if (const auto* set = std::get_if<set_data>(&data_)) return set->items;
    fail("a list, tuple or set");
}

std::span<const value::entry> value::entries() const {
    if (const auto* dict = std::get_if<dict_data>(&data_)) return dict->entries();
    fail("a dict");
}

std::size_t value::size() const {
    if (is_dict()) return entries().size();
    if (is_sequence() || is_set()) return items().size();
    fail("a list, tuple, set or dict");
}

const value* value::find(std::string_view key) const {
    const auto* dict = std::get_if<dict_data>(&data_);
    return dict == nullptr ? nullptr : dict->find(key);
}

const value* value::find(const value& key) const {
    const auto* dict = std::get_if<dict_data>(&data_);
    return dict == nullptr ? nullptr : dict->find(key);
}

const value& value::operator[](std::string_view key) const {
    if (const value* found = find(key)) return *found;
    if (!is_dict()) fail(fmt::format("a dict with the key \"{}\"", key));

    constexpr std::size_t shown = 8;
    std::string keys;
    for (const entry& e : entries().first(std::min(shown, size()))) {
        if (!keys.empty()) keys += ", ";
        keys += detail::short_repr(e.key, 40);
    }
    if (size() > shown) keys += ", ...";
    throw codec_error(keys.empty() ? fmt::format("no key \"{}\": the dict is empty", key)
                                   : fmt::format("no key \"{}\": the dict has {}", key, keys));
}

const value& value::operator[](std::size_t index) const {
    if (!is_sequence()) fail("a list or tuple");
    if (index >= size())
        throw codec_error(fmt::format("no item {}: the {} has {}", index, type_name(), size()));
    return items()[index];
}

const value& value::operator[](int index) const {
    if (index < 0) throw codec_error(fmt::format("no item {}: items are counted from 0", index));
    return (*this)[static_cast<std::size_t>(index)];
}

template <class Key>
std::strong_ordering value::compare_key(const value& stored, const Key& key) {
    if constexpr (std::is_same_v<Key, std::string_view>) {
        if (const auto* s = std::get_if<std::string>(&stored.data_)) return std::string_view(*s) <=> key;
        return stored.type() <=> kind::string;
    } else {
        return compare(stored, key);
    }
}

std::strong_ordering value::compare(const value& a, const value& b) {
    if (a.type() != b.type()) return a.type() <=> b.type();
    switch (a.type()) {
        case kind::null:
            return std::strong_ordering::equal;
        case kind::boolean:
            return std::get<bool>(a.data_) <=> std::get<bool>(b.data_);
        case kind::integer:
            return std::get<std::int64_t>(a.data_) <=> std::get<std::int64_t>(b.data_);
        case kind::big_integer:
            return std::get<simul::big_integer>(a.data_) <=> std::get<simul::big_integer>(b.data_);
        case kind::floating:
            return std::strong_order(std::get<double>(a.data_), std::get<double>(b.data_));
        case kind::string:
            return std::get<std::string>(a.data_) <=> std::get<std::string>(b.data_);
        case kind::bytes:
            return std::get<simul::bytes>(a.data_) <=> std::get<simul::bytes>(b.data_);
        case kind::list:
        case kind::tuple:
            return compare_items(a.items(), b.items());
        case kind::set:
            return compare_sets(a.items(), b.items());
        case kind::dict:
            return compare_dicts(a.entries(), b.entries());
    }
    return std::strong_ordering::equal;
}

// --- telling
// --------------------------------------------------------------------------------------------------------

std::string describe_found(const value& v) {
    constexpr std::size_t characters_max = 60;
    if (v.is_null()) return "None";
    return fmt::format("{} {}", v.type_name(), detail::short_repr(v, characters_max));
}

void fail_expected(const value_path& path, std::string_view expected, const value& found) {
    path.fail(fmt::format("expected {}, found {}", expected, describe_found(found)));
}

std::string to_string(const value& v) { return v.is_string() ? v.as_string() : python_repr(v); }

std::ostream& operator<<(std::ostream& out, const value& v) { return out << to_string(v); }

}  // namespace simul
