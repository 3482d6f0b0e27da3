// A pickle is a program for a small stack machine. It is run here over handles: the stack and the memo hold
// positions of nodes, never values, because a list is put into the memo while it is empty and filled
// afterwards, through any of its names. Text and bytes stay in the input until the end. Only then is the
// graph copied out as a tree; there shared nodes multiply, so there the limits are counted, and a node that
// contains itself is found.
#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <simul/codec/pickle.hpp>
#include <unordered_map>
#include <vector>

#include "pickle_opcodes.hpp"
#include "utf8.hpp"

namespace simul::pickle {
namespace detail {

std::string_view refused_opcode_name(unsigned char opcode) noexcept {
    switch (opcode) {
        case 0x32:
            return "DUP";
        case 0x46:
            return "FLOAT";
        case 0x49:
            return "INT";
        case 0x4c:
            return "LONG";
        case 0x50:
            return "PERSID";
        case 0x51:
            return "BINPERSID";
        case 0x52:
            return "REDUCE";
        case 0x53:
            return "STRING";
        case 0x54:
            return "BINSTRING";
        case 0x55:
            return "SHORT_BINSTRING";
        case 0x56:
            return "UNICODE";
        case 0x62:
            return "BUILD";
        case 0x63:
            return "GLOBAL";
        case 0x64:
            return "DICT";
        case 0x67:
            return "GET";
        case 0x69:
            return "INST";
        case 0x6c:
            return "LIST";
        case 0x6f:
            return "OBJ";
        case 0x70:
            return "PUT";
        case 0x81:
            return "NEWOBJ";
        case 0x82:
            return "EXT1";
        case 0x83:
            return "EXT2";
        case 0x84:
            return "EXT4";
        case 0x92:
            return "NEWOBJ_EX";
        case 0x93:
            return "STACK_GLOBAL";
        case 0x97:
            return "NEXT_BUFFER";
        case 0x98:
            return "READONLY_BUFFER";
        default:
            return {};
    }
}

}  // namespace detail

namespace {

using namespace detail;  // the opcodes
using handle = std::uint32_t;

struct node {
    value::kind kind = value::kind::null;
    bool hashable = true;   // false for what Python cannot use as a key
    bool visiting = false;  // while the tree is made: found again means it contains itself
    double floating = 0;
    std::int64_t integer = 0;      // also the bool
    std::string_view text;         // text, bytes and the bytes of a big integer, in the input
    std::vector<handle> children;  // of a dict: key, value, key, value
};

/// What the sender could send instead of a type that many people try first.
std::string_view remedy_for(std::string_view name) {
    if (name.starts_with("datetime.")) return "send its isoformat() or timestamp() instead";
    if (name == "decimal.Decimal" || name == "uuid.UUID" || name.starts_with("pathlib.") ||
        name.starts_with("fractions."))
        return "send it as str instead";
    if (name.starts_with("collections.")) return "send it as a plain dict or list instead";
    if (name.starts_with("numpy.")) return "send its tolist() or item() instead";
    if (name.find(".complex") != std::string_view::npos) return "send its parts as a tuple instead";
    return "send numbers, text, bytes, lists, tuples, dicts or sets instead";
}

class machine {
  public:
    machine(std::string_view data, const load_limits& limits) : data_(data), limits_(limits) {}

    value run() {
        while (step()) {
        }
        return tree(result_, 0);
    }

  private:
    [[noreturn]] void fail(std::string_view reason) const { throw load_error(reason, opcode_at_); }

    // --- reading the input
    // ----------------------------------------------------------------------------------------

    std::string_view take(std::uint64_t size) {
        const std::size_t left = data_.size() - at_;
        if (size > left) fail(fmt::format("{} bytes should follow, {} are left", size, left));
        const std::string_view result = data_.substr(at_, static_cast<std::size_t>(size));
        at_ += static_cast<std::size_t>(size);
        return result;
    }

    std::uint64_t take_little_endian(unsigned size) {
        std::uint64_t result = 0;
        const std::string_view text = take(size);
        for (unsigned i = size; i-- > 0;) result = (result << 8) | static_cast<unsigned char>(text[i]);
        return result;
    }

    double take_double() {
        std::uint64_t bits = 0;
        for (const char c : take(8)) bits = (bits << 8) | static_cast<unsigned char>(c);
        return std::bit_cast<double>(bits);
    }

    std::string_view take_line() {
        const std::size_t end = data_.find('\n', at_);
        if (end == std::string_view::npos) fail("the line is not ended");
        const std::string_view line = data_.substr(at_, end - at_);
        at_ = end + 1;
        return line;
    }

    // --- stack and nodes
    // ------------------------------------------------------------------------------------------

    [[noreturn]] void fail_nodes() const {
        fail(fmt::format("more than {} values (nodes_max)", limits_.nodes_max));
    }

    void push(node n) {
        if (nodes_.size() >= limits_.nodes_max) fail_nodes();
        nodes_.push_back(std::move(n));
        stack_.push_back(static_cast<handle>(nodes_.size() - 1));
    }

    void push_kind(value::kind kind, bool hashable) {
        node n;
        n.kind = kind;
        n.hashable = hashable;
        push(std::move(n));
    }

    void push_integer(std::int64_t number, value::kind kind = value::kind::integer) {
        node n;
        n.kind = kind;
        n.integer = number;
        push(std::move(n));
    }

    void push_text(value::kind kind, std::string_view text, bool hashable = true) {
        node n;
        n.kind = kind;
        n.text = text;
        n.hashable = hashable;
        if (kind == value::kind::string) {
            const std::size_t invalid = simul::detail::find_invalid_utf8(text, true);
            if (invalid != std::string_view::npos)
                fail(fmt::format("the text is not UTF-8 (at its byte {})", invalid));
        }
        push(std::move(n));
    }

    void push_long(std::string_view bytes) {
        if (bytes.size() <= 8) {
            const bool negative = !bytes.empty() && (static_cast<unsigned char>(bytes.back()) & 0x80U) != 0;
            std::uint64_t bits = negative ? ~std::uint64_t{0} : 0;
            for (std::size_t i = bytes.size(); i-- > 0;)
                bits = (bits << 8) | static_cast<unsigned char>(bytes[i]);
            push_integer(static_cast<std::int64_t>(bits));
        } else {
            push_text(value::kind::big_integer, bytes);
        }
    }

    std::size_t bottom() const { return marks_.empty() ? 0 : marks_.back(); }

    handle pop() {
        if (stack_.size() <= bottom()) fail("nothing is on the stack to be taken");
        const handle top = stack_.back();
        stack_.pop_back();
        return top;
    }

    node& top(value::kind kind, std::string_view what) {
        if (stack_.size() <= bottom()) fail(fmt::format("nothing is on the stack where {} should be", what));
        node& n = nodes_[stack_.back()];
        if (n.kind != kind) fail(fmt::format("{} is needed on the stack", what));
        return n;
    }

    std::vector<handle> pop_to_mark() {
        if (marks_.empty()) fail("there is no mark on the stack");
        const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
        std::vector<handle> items(begin, stack_.end());
        stack_.erase(begin, stack_.end());
        marks_.pop_back();
        return items;
    }

    void check_hashable(handle h) const {
        if (!nodes_[h].hashable) fail("a list, dict or set is used as a key or as an item of a set");
    }

    void push_tuple(std::vector<handle> items, value::kind kind = value::kind::tuple) {
        node n;
        n.kind = kind;
        for (const handle h : items) n.hashable = n.hashable && nodes_[h].hashable;
        if (kind == value::kind::set && !n.hashable) fail("a list, dict or set is used as an item of a set");
        n.children = std::move(items);
        push(std::move(n));
    }

    void push_small_tuple(std::size_t size) {
        std::vector<handle> items(size);
        while (size-- > 0) items[size] = pop();
        push_tuple(std::move(items));
    }

    void add_items(std::vector<handle> items) {
        node& list = top(value::kind::list, "a list");
        list.children.insert(list.children.end(), items.begin(), items.end());
    }

    void add_entries(const std::vector<handle>& items) {
        node& dict = top(value::kind::dict, "a dict");
        if (items.size() % 2 != 0) fail("a key without a value");
        for (std::size_t i = 0; i < items.size(); i += 2) check_hashable(items[i]);
        dict.children.insert(dict.children.end(), items.begin(), items.end());
    }

    void add_to_set(const std::vector<handle>& items) {
        node& set = top(value::kind::set, "a set");
        // A frozenset has its items from the start; a set is the one that cannot be hashed.
        if (set.hashable) fail("a set is needed on the stack");
        for (const handle h : items) check_hashable(h);
        set.children.insert(set.children.end(), items.begin(), items.end());
    }

    void memoize(std::uint64_t index) {
        if (stack_.size() <= bottom()) fail("nothing is on the stack to be remembered");
        memo_[static_cast<std::uint32_t>(index)] = stack_.back();
    }

    void recall(std::uint64_t index) {
        const auto found = memo_.find(static_cast<std::uint32_t>(index));
        if (found == memo_.end()) fail(fmt::format("nothing was remembered under {}", index));
        stack_.push_back(found->second);
    }

    // --- refusing
    // -------------------------------------------------------------------------------------------------

    [[noreturn]] void refuse_name(std::string_view opcode, std::string_view module,
                                  std::string_view name) const {
        std::string full;
        for (const char c : fmt::format("{}.{}", module, name).substr(0, 120))  // as it goes to logs
            full += c >= 0x20 && c < 0x7f ? c : '?';
        fail(fmt::format("{} asks for {}, which is no plain value; {}", opcode, full, remedy_for(full)));
    }

    [[noreturn]] void refuse(unsigned char opcode) {
        if (opcode == op_global || opcode == op_inst) {
            const std::string_view module = take_line();
            refuse_name(refused_opcode_name(opcode), module, take_line());
        }
        if (opcode == op_stack_global && stack_.size() >= bottom() + 2) {
            const node& module = nodes_[stack_[stack_.size() - 2]];
            const node& name = nodes_[stack_.back()];
            if (module.kind == value::kind::string && name.kind == value::kind::string)
                refuse_name("STACK_GLOBAL", module.text, name.text);
        }
        const std::string_view known = refused_opcode_name(opcode);
        if (known.empty())
            fail(fmt::format("0x{:02x} is no opcode: damaged, or no pickle", static_cast<unsigned>(opcode)));
        fail(fmt::format("opcode {} does not belong to plain values of protocol 2 to 5", known));
    }

    // --- the opcodes
    // ----------------------------------------------------------------------------------------------

    // False after STOP.
    bool step() {
        opcode_at_ = at_;
        if (at_ == data_.size()) fail(data_.empty() ? "the pickle is empty" : "the pickle ends without STOP");
        const auto opcode = static_cast<unsigned char>(data_[at_++]);
        switch (opcode) {
            case op_proto: {
                const std::uint64_t protocol = take_little_endian(1);
                if (protocol > protocol_max)
                    fail(fmt::format("protocol {} is newer than {}", protocol, protocol_max));
                return true;
            }
            case op_frame:
                (void)take_little_endian(8);  // a hint for reading from files
                return true;
            case op_stop:
                result_ = pop();
                if (!marks_.empty()) fail("a mark is left on the stack");
                return false;

            case op_none:
                push_kind(value::kind::null, true);
                return true;
            case op_newtrue:
                push_integer(1, value::kind::boolean);
                return true;
            case op_newfalse:
                push_integer(0, value::kind::boolean);
                return true;
            case op_binint1:
                push_integer(static_cast<std::int64_t>(take_little_endian(1)));
                return true;
            case op_binint2:
                push_integer(static_cast<std::int64_t>(take_little_endian(2)));
                return true;
            case op_binint:
                push_integer(static_cast<std::int32_t>(take_little_endian(4)));
                return true;
            case op_long1:
                push_long(take(take_little_endian(1)));
                return true;
            case op_long4: {
                const auto size = static_cast<std::int32_t>(take_little_endian(4));
                if (size < 0) fail("an integer of negative size");
                push_long(take(static_cast<std::uint64_t>(size)));
                return true;
            }
            case op_binfloat: {
                node n;
                n.kind = value::kind::floating;
                n.floating = take_double();
                push(std::move(n));
                return true;
            }
            case op_short_binunicode:
                push_text(value::kind::string, take(take_little_endian(1)));
                return true;
            case op_binunicode:
                push_text(value::kind::string, take(take_little_endian(4)));
                return true;
            case op_binunicode8:
                push_text(value::kind::string, take(take_little_endian(8)));
                return true;
            case op_short_binbytes:
                push_text(value::kind::bytes, take(take_little_endian(1)));
                return true;
            case op_binbytes:
                push_text(value::kind::bytes, take(take_little_endian(4)));
                return true;
            case op_binbytes8:
                push_text(value::kind::bytes, take(take_little_endian(8)));
                return true;
            case op_bytearray8:
                push_text(value::kind::bytes, take(take_little_endian(8)), false);
                return true;

            case op_empty_list:
                push_kind(value::kind::list, false);
                return true;
            case op_empty_dict:
                push_kind(value::kind::dict, false);
                return true;
            case op_empty_set:
                push_kind(value::kind::set, false);
                return true;
            case op_empty_tuple:
                push_kind(value::kind::tuple, true);
                return true;
            case op_mark:
                marks_.push_back(stack_.size());
                return true;
            case op_append: {
                const handle item = pop();
                add_items({item});
                return true;
            }
            case op_appends:
                add_items(pop_to_mark());
                return true;
            case op_setitem: {
                const handle item = pop();
                const handle key = pop();
                add_entries({key, item});
                return true;
            }
            case op_setitems:
                add_entries(pop_to_mark());
                return true;
            case op_additems:
                add_to_set(pop_to_mark());
                return true;
            case op_frozenset:
                push_tuple(pop_to_mark(), value::kind::set);
                return true;
            case op_tuple1:
                push_small_tuple(1);
                return true;
            case op_tuple2:
                push_small_tuple(2);
                return true;
            case op_tuple3:
                push_small_tuple(3);
                return true;
            case op_tuple:
                push_tuple(pop_to_mark());
                return true;

            case op_pop:
                if (stack_.size() > bottom())
                    stack_.pop_back();
                else if (!marks_.empty())
                    marks_.pop_back();  // as in Python, POP takes a mark that is on top
                else
                    fail("nothing is on the stack to be taken");
                return true;
            case op_pop_mark:
                (void)pop_to_mark();
                return true;
            case op_memoize:
                memoize(memo_.size());
                return true;
            case op_binput:
                memoize(take_little_endian(1));
                return true;
            case op_long_binput:
                memoize(take_little_endian(4));
                return true;
            case op_binget:
                recall(take_little_endian(1));
                return true;
            case op_long_binget:
                recall(take_little_endian(4));
                return true;

            default:
                refuse(opcode);
        }
    }

    // --- the tree
    // -------------------------------------------------------------------------------------------------

    std::string take_text(const node& n) {
        if (n.text.size() > limits_.text_bytes_max - text_bytes_)
            fail(fmt::format("more than {} bytes of text (text_bytes_max)", limits_.text_bytes_max));
        text_bytes_ += n.text.size();
        return std::string(n.text);
    }

    std::vector<value> trees(const std::vector<handle>& handles, std::size_t depth) {
        std::vector<value> items;
        items.reserve(handles.size());
        for (const handle h : handles) items.push_back(tree(h, depth));
        return items;
    }

    value tree(handle h, std::size_t depth) {
        node& n = nodes_[h];
        if (++nodes_seen_ > limits_.nodes_max)
            fail(fmt::format("more than {} values (nodes_max)", limits_.nodes_max));
        switch (n.kind) {
            case value::kind::null:
                return value();
            case value::kind::boolean:
                return value(n.integer != 0);
            case value::kind::integer:
                return value(n.integer);
            case value::kind::big_integer:
                return big_tree(n);
            case value::kind::floating:
                return value(n.floating);
            case value::kind::string:
                return value(take_text(n));
            case value::kind::bytes:
                return value(simul::bytes{take_text(n)});
            default:
                break;
        }
        if (depth >= limits_.depth_max)
            fail(fmt::format("more than {} levels of nesting (depth_max)", limits_.depth_max));
        if (n.visiting) fail("a container contains itself");
        n.visiting = true;
        value result = container_tree(n, depth);
        n.visiting = false;
        return result;
    }

    value big_tree(const node& n) const {
        try {
            return value(big_integer::from_twos_complement(n.text));
        } catch (const codec_error& e) {
            fail(e.what());
        }
    }

    value container_tree(const node& n, std::size_t depth) {
        if (n.kind == value::kind::list) return value::list(trees(n.children, depth + 1));
        if (n.kind == value::kind::tuple) return value::tuple(trees(n.children, depth + 1));
        if (n.kind == value::kind::set) return value::set(trees(n.children, depth + 1));
        std::vector<value::entry> entries;
        entries.reserve(n.children.size() / 2);
        for (std::size_t i = 0; i < n.children.size(); i += 2) {
            value key = tree(n.children[i], depth + 1);
            entries.push_back({std::move(key), tree(n.children[i + 1], depth + 1)});
        }
        return value::dict(std::move(entries));
    }

    std::string_view data_;
    const load_limits& limits_;
    std::size_t at_ = 0;
    std::size_t opcode_at_ = 0;
    std::vector<node> nodes_;
    std::vector<handle> stack_;
    std::vector<std::size_t> marks_;  // sizes of the stack
    std::unordered_map<std::uint32_t, handle> memo_;
    handle result_ = 0;
    std::size_t nodes_seen_ = 0;
    std::size_t text_bytes_ = 0;
};

}  // namespace

load_error::load_error(std::string_view reason, std::size_t offset)
    : codec_error(fmt::format("pickle: byte {}: {}", offset, reason)), offset_(offset) {}

value load(std::string_view data, const load_limits& limits) { return machine(data, limits).run(); }

}  // namespace simul::pickle
