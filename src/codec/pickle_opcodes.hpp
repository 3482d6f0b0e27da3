#pragma once

#include <string_view>

namespace simul::pickle::detail {

/// The opcodes of plain data in protocols 2 to 5 (the names are those of Python's pickletools).
enum opcode : unsigned char {
    op_mark = 0x28,
    op_empty_tuple = 0x29,
    op_stop = 0x2e,
    op_pop = 0x30,
    op_pop_mark = 0x31,
    op_binbytes = 0x42,
    op_short_binbytes = 0x43,
    op_binfloat = 0x47,
    op_binint = 0x4a,
    op_binint1 = 0x4b,
    op_binint2 = 0x4d,
    op_none = 0x4e,
    op_binunicode = 0x58,
    op_empty_list = 0x5d,
    op_append = 0x61,
    op_appends = 0x65,
    op_binget = 0x68,
    op_long_binget = 0x6a,
    op_binput = 0x71,
    op_long_binput = 0x72,
    op_setitem = 0x73,
    op_tuple = 0x74,
    op_setitems = 0x75,
    op_empty_dict = 0x7d,
    op_proto = 0x80,
    op_tuple1 = 0x85,
    op_tuple2 = 0x86,
    op_tuple3 = 0x87,
    op_newtrue = 0x88,
    op_newfalse = 0x89,
    op_long1 = 0x8a,
    op_long4 = 0x8b,
    op_short_binunicode = 0x8c,
    op_binunicode8 = 0x8d,
    op_binbytes8 = 0x8e,
    op_empty_set = 0x8f,
    op_additems = 0x90,
    op_frozenset = 0x91,
    op_memoize = 0x94,
    op_frame = 0x95,
    op_bytearray8 = 0x96,

    // refused, but read far enough to say what they ask for
    op_global = 0x63,
    op_inst = 0x69,
    op_stack_global = 0x93,
};

constexpr unsigned protocol_max = 5;

/// The name of an opcode that is not plain data: "REDUCE"; empty for bytes that are no opcode.
std::string_view refused_opcode_name(unsigned char opcode) noexcept;

}  // namespace simul::pickle::detail
