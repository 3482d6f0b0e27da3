#pragma once

#include <simul/http/wire/error.hpp>
#include <string_view>
#include <vector>

/// Messages that must be refused, with the reason, and messages that must be read in exactly one way.
/// Ways of smuggling are named after what broke elsewhere, so that a reader can look them up.
namespace simul::http::test {

using namespace std::string_view_literals;

struct refused {
    const char* what;
    std::string_view bytes;
    wire_errc reason;
};

struct accepted {
    const char* what;
    std::string_view bytes;
    std::string_view events;  // as trace() writes them, the connection ended after the bytes
};

inline const std::vector<refused>& refused_requests() {
    using enum wire_errc;
    static const std::vector<refused> all = {
        // the request line
        {"TLS on a plain port", "\x16\x03\x01\x02\x00\x01\x00"sv, invalid_method},
        {"NUL as the first byte", "\0GET / HTTP/1.1\r\nHost: a\r\n\r\n"sv, invalid_method},
        {"a method with a separator", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", invalid_method},
        {"a method of 33 bytes", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\nHost: a\r\n\r\n",
         invalid_method},
        {"no version", "GET /\r\n\r\n", invalid_start_line},
        {"only a word", "GET\r\n\r\n", invalid_start_line},
        {"two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"a space inside the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"a space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", invalid_version},
        {"a tab as separator", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", invalid_start_line},
        {"NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"sv, invalid_target},
        {"DEL in the target", "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"raw UTF-8 in the target", "GET /\xc3\xbc HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"a fragment in the target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"a target that is no path", "GET foo HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"the asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"CONNECT to a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"CONNECT without port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"CONNECT to an empty host", "CONNECT :80 HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"an absolute target without host", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"an absolute target with user", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", invalid_target},
        {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", unsupported_version},
        {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", unsupported_version},
        {"HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", unsupported_version},
        {"version 1.32 read as 1.3", "GET / HTTP/1.32\r\nHost: a\r\n\r\n", invalid_version},
        {"version that overflows", "GET / HTTP/4294967297.1\r\nHost: a\r\n\r\n", invalid_version},
        {"lower case version", "GET / http/1.1\r\nHost: a\r\n\r\n", invalid_version},
        {"RTSP", "OPTIONS /x RTSP/1.0\r\nHost: a\r\n\r\n", invalid_version},
        {"two empty lines before the request", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
         invalid_start_line},
        {"LF before the request", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", invalid_line_end},
        // lines
        {"LF alone everywhere", "GET / HTTP/1.1\nHost: a\n\n", invalid_line_end},
        {"LF alone after a header", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", invalid_line_end},
        {"LF alone as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", invalid_line_end},
        {"CR alone in a value (CVE-2023-30589)",
         "GET / HTTP/1.1\r\nHost: a\r\nX:\rTransfer-Encoding: chunked\r\n\r\n", invalid_line_end},
        {"CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", invalid_line_end},
        {"CR and any byte ends the head",
         "GET / HTTP/1.1\r\nHost: a\r\n\rZGET /evil HTTP/1.1\r\nHost: a\r\n\r\n", invalid_line_end},
        {"CR in the version", "GET / HTTP/\r\r1.1\r\nHost: a\r\n\r\n", invalid_line_end},
        {"obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", folded_header},
        {"obs-fold with a tab", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", folded_header},
        {"space before the first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", folded_header},
        {"a folded Transfer-Encoding",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", folded_header},
        {"a name without a colon", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length 10\r\n\r\n0123456789",
         invalid_header_name},
        {"an empty name", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", invalid_header_name},
        {"only a colon", "GET / HTTP/1.1\r\nHost: a\r\n:\r\nX: y\r\n\r\n", invalid_header_name},
        {"space before the colon (CVE-2024-27982)",
         "GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc", invalid_header_name},
        {"a tab before the colon",
         "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", invalid_header_name},
        {"NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\0Y: b\r\n\r\n"sv, invalid_header_name},
        {"0x85 stripped from a name", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length\x85: 3\r\n\r\nabc",
         invalid_header_name},
        {"a name broken in two lines", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-\r\nEncoding: chunked\r\n\r\n",
         invalid_header_name},
        {"NUL in a value (CVE-2026-34520)", "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n"sv,
         invalid_header_value},
        {"DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\x7f\r\n\r\n", invalid_header_value},
        {"a vertical tab around a value",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
         "chunked\r\n\r\n",
         invalid_header_value},
        // Host
        {"no Host", "GET / HTTP/1.1\r\n\r\n", missing_host},
        {"two Hosts (CVE-2026-34525)", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", duplicate_host},
        {"the same Host twice", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", duplicate_host},
        {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", duplicate_host},
        {"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", invalid_host},
        {"a list of Hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", invalid_host},
        {"a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", invalid_host},
        {"a Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", invalid_host},
        {"0xff around Host",
         "GET / HTTP/1.1\r\nHost: \xff"
         "a\xff\r\n\r\n",
         invalid_host},
        {"target and Host differ", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", host_mismatch},
        {"target and Host differ in the port", "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", host_mismatch},
        {"the port of another scheme is not the default", "GET http://a:443/ HTTP/1.1\r\nHost: a\r\n\r\n",
         host_mismatch},
        // Content-Length
        {"CL and TE",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         conflicting_framing},
        {"TE and CL",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
         conflicting_framing},
        {"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 0\r\n\r\nZ",
         invalid_content_length},
        {"the same length twice",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nZ",
         invalid_content_length},
        {"a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nZ",
         invalid_content_length},
        {"an empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", invalid_content_length},
        {"an empty length and another",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\nContent-Length: 1\r\n\r\nZ",
         invalid_content_length},
        {"a length with plus", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nZ",
         invalid_content_length},
        {"a negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nZ",
         invalid_content_length},
        {"a hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nZ",
         invalid_content_length},
        {"a length with underscore", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\nZ",
         invalid_content_length},
        {"a length with a rest", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1Z\r\n\r\nZ",
         invalid_content_length},
        {"a length with a space inside", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\nZ",
         invalid_content_length},
        {"a length that overflows 64 bits",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\nZ",
         invalid_content_length},
        // Transfer-Encoding
        {"comma before chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
         invalid_transfer_encoding},
        {"an unknown coding",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: blegh\r\n\r\n1\r\nZ\r\n0\r\n\r\n",
         invalid_transfer_encoding},
        {"chunked and identity",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
         invalid_transfer_encoding},
        {"gzip, chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
         invalid_transfer_encoding},
        {"chunked twice",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         invalid_transfer_encoding},
        {"an empty Transfer-Encoding",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nContent-Length: 5\r\n\r\nabcde",
         invalid_transfer_encoding},
        {"quoted chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
         invalid_transfer_encoding},
        {"chunked with a parameter",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
         invalid_transfer_encoding},
        {"0xa0 around chunked",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \xa0"
         "chunked\r\n\r\n0\r\n\r\n",
         invalid_transfer_encoding},
        {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         invalid_transfer_encoding},
        {"CONNECT with a body", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 1\r\n\r\nZ",
         conflicting_framing},
        // chunks
        {"an empty chunk size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n",
         invalid_chunk},
        {"a chunk size with 0x",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nZ\r\n0\r\n\r\n",
         invalid_chunk},
        {"a chunk size with underscore",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0_2e\r\n\r\nGET / HTTP/1.1\r\n\r\n",
         invalid_chunk},
        {"a negative chunk size",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nZ\r\n", invalid_chunk},
        {"a chunk size with plus",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\nZ\r\n", invalid_chunk},
        {"space before a chunk size",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 0\r\n\r\n", invalid_chunk},
        {"space after a chunk size",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0 \r\n\r\n", invalid_chunk},
        {"a chunk size that overflows",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\nZ\r\n",
         invalid_chunk},
        {"a chunk longer than announced",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZZ\r\n0\r\n\r\n",
         invalid_chunk},
        {"a chunk ended by any two bytes",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZXX0\r\n\r\n", invalid_chunk},
        {"a chunk ended by LF",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZ\n0\r\n\r\n", invalid_chunk},
        {"a chunk line ended by LF",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nZ\r\n0\r\n\r\n",
         invalid_line_end},
        {"LF in a chunk extension (CVE-2024-52304, CVE-2025-55315)",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;\nxx\r\nZ\r\n0\r\n\r\n",
         invalid_line_end},
        {"CR in a chunk extension",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\rb\r\nZ\r\n0\r\n\r\n",
         invalid_chunk},
        {"LF in a quoted chunk extension",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"\n\"\r\nZ\r\n0\r\n\r\n",
         invalid_line_end},
        {"an open quote in a chunk extension",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b\r\nZ\r\n0\r\n\r\n",
         invalid_chunk},
        {"a chunk extension without a name",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;\r\nZ\r\n0\r\n\r\n",
         invalid_chunk},
        {"CR before the semicolon",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\r;a\r\nZ\r\n0\r\n\r\n",
         invalid_chunk},
        {"a request line where the end of the last chunk should be",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\nHost: "
         "a\r\n\r\n",
         invalid_header_name},
        // trailers (CVE-2025-53643)
        {"Content-Length in a trailer",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
         invalid_trailer},
        {"Host in a trailer",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n",
         invalid_trailer},
        {"a folded trailer",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: b\r\n c\r\n\r\n",
         folded_header},
        {"NUL in a trailer",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: \0\r\n\r\n"sv,
         invalid_header_value},
        // the connection
        {"a request after Connection: close",
         "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n", data_after_close},
        {"a request after HTTP/1.0", "GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", data_after_close},
        {"the end inside the request line", "GET / HT", truncated},
        {"the end inside the headers", "GET / HTTP/1.1\r\nHost: a\r\n", truncated},
        {"the end inside a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", truncated},
        {"the end inside a chunk line", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1",
         truncated},
        {"the end inside a chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na",
         truncated},
        {"the end after a chunk",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", truncated},
        {"the end before the last empty line",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", truncated},
        {"the end after an empty line", "\r\n", truncated},
    };
    return all;
}

inline const std::vector<accepted>& accepted_requests() {
    static const std::vector<accepted> all = {
        {"nothing at all", "", "closed\n"},
        {"the smallest request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
         "head GET / 1.1 Host=a\nend keep\nclosed\n"},
        {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", "head GET / 1.0\nend close\nclosed\n"},
        {"HTTP/1.0 kept alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
         "head GET / 1.0 Connection=Keep-Alive\nend keep\nclosed\n"},
        {"close wins over keep-alive", "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n",
         "head GET / 1.1 Host=a Connection=keep-alive, Close\nend close\nclosed\n"},
        {"an empty line before the request", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
         "head GET / 1.1 Host=a\nend keep\nclosed\n"},
        {"space around values", "GET / HTTP/1.1\r\nHost:\t a \t\r\nX:\r\nY: b  c\r\n\r\n",
         "head GET / 1.1 Host=a X= Y=b  c\nend keep\nclosed\n"},
        {"bytes above 0x7f in a value stay as they are",
         "GET / HTTP/1.1\r\nHost: a\r\nUser: \x85"
         "b\xa0\r\n\r\n",
         "head GET / 1.1 Host=a User=\x85"
         "b\xa0\nend keep\nclosed\n"},
        {"every tchar in a name", "GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n",
         "head GET / 1.1 Host=a !#$%&'*+-.^_`|~09azAZ=x\nend keep\nclosed\n"},
        {"an extension method", "QUERY /q HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
         "head QUERY /q 1.1 Host=a Content-Length=2\nbody hi\nend keep\nclosed\n"},
        {"a method in lower case is another method", "get / HTTP/1.1\r\nHost: a\r\n\r\n",
         "head get / 1.1 Host=a\nend keep\nclosed\n"},
        {"OPTIONS for the server", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
         "head OPTIONS * 1.1 Host=a\nend keep\nclosed\n"},
        {"an absolute target", "GET http://A:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
         "head GET http://A:80/x?y 1.1 Host=a\nend keep\nclosed\n"},
        {"an absolute target with only a query", "GET http://a?y HTTP/1.1\r\nHost: a:80\r\n\r\n",
         "head GET http://a?y 1.1 Host=a:80\nend keep\nclosed\n"},
        {"an IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
         "head GET / 1.1 Host=[::1]:8080\nend keep\nclosed\n"},
        {"sloppy but visible bytes in a query", "GET /?a={\"b|c\"}^\\ HTTP/1.1\r\nHost: a\r\n\r\n",
         "head GET /?a={\"b|c\"}^\\ 1.1 Host=a\nend keep\nclosed\n"},
        {"a length with leading zeros is decimal",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 010\r\n\r\n0123456789",
         "head POST / 1.1 Host=a Content-Length=010\nbody 0123456789\nend keep\nclosed\n"},
        {"an empty body with a length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
         "head POST / 1.1 Host=a Content-Length=0\nend keep\nclosed\n"},
        {"a body for GET", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
         "head GET / 1.1 Host=a Content-Length=3\nbody abc\nend keep\nclosed\n"},
        {"chunks",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
         "Chunked\r\n\r\n3\r\nabc\r\n0A\r\n0123456789\r\n000\r\n\r\n",
         "head POST / 1.1 Host=a Transfer-Encoding=Chunked\nbody abc0123456789\nend keep\nclosed\n"},
        {"chunk extensions",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a;b=c;d=\"e \\\" "
         ";f\"\r\nZ\r\n0;last\r\n\r\n",
         "head POST / 1.1 Host=a Transfer-Encoding=chunked\nbody Z\nend keep\nclosed\n"},
        {"trailers",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZ\r\n0\r\nX-Sum: "
         "9\r\nY:\r\n\r\n",
         "head POST / 1.1 Host=a Transfer-Encoding=chunked\nbody Z\nend keep X-Sum=9 Y=\nclosed\n"},
        {"a request inside a chunk is body",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1a\r\nGET /e HTTP/1.1\r\nHost: "
         "b\r\n\r\n0\r\n\r\n",
         "head POST / 1.1 Host=a Transfer-Encoding=chunked\nbody GET /e HTTP/1.1\r\nHost: b\r\n\nend "
         "keep\nclosed\n"},
        {"three pipelined requests",
         "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxGET /2 HTTP/1.1\r\nHost: a\r\n\r\n\r\nPUT "
         "/3 "
         "HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ny\r\n0\r\n\r\n",
         "head POST /1 1.1 Host=a Content-Length=1\nbody x\nend keep\nhead GET /2 1.1 Host=a\nend keep\nhead "
         "PUT /3 1.1 "
         "Host=a Connection=close Transfer-Encoding=chunked\nbody y\nend close\nclosed\n"},
        {"Expect", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
         "head POST / 1.1 (expects 100) Host=a Expect=100-Continue Content-Length=1\nbody x\nend "
         "keep\nclosed\n"},
        {"Expect means nothing in HTTP/1.0",
         "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
         "head POST / 1.0 Expect=100-continue Content-Length=1\nbody x\nend close\nclosed\n"},
        {"an offered upgrade, and HTTP goes on",
         "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /2 "
         "HTTP/1.1\r\nHost: a\r\n\r\n",
         "head GET /1 1.1 (offers upgrade) Host=a Connection=Upgrade Upgrade=websocket\nend keep\nhead GET "
         "/2 1.1 "
         "Host=a\nend keep\nclosed\n"},
        {"CONNECT leaves what follows alone", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03",
         "head CONNECT a:443 1.1 Host=a:443\nupgrade\nunread \x16\x03\n"},
    };
    return all;
}

inline const std::vector<refused>& refused_responses() {
    using enum wire_errc;
    static const std::vector<refused> all = {
        {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n", invalid_start_line},
        {"another protocol, noticed at its third byte", "HTML", invalid_start_line},
        {"an empty line before the response", "\r\nHTTP/1.1 200 OK\r\n\r\n", invalid_start_line},
        {"ICY", "ICY 200 OK\r\n\r\n", invalid_start_line},
        {"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", unsupported_version},
        {"no version", "HTTP/ 200 OK\r\n\r\n", invalid_version},
        {"no status", "HTTP/1.1\r\n\r\n", invalid_status},
        {"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", invalid_status},
        {"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", invalid_status},
        {"a status below 100", "HTTP/1.1 099 No\r\n\r\n", invalid_status},
        {"a status that is no number", "HTTP/1.1 2x0 OK\r\n\r\n", invalid_status},
        {"two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n", invalid_status},
        {"CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", invalid_line_end},
        {"NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n"sv, invalid_reason},
        {"LF alone", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", invalid_line_end},
        {"a folded header", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", folded_header},
        {"CL and TE", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         conflicting_framing},
        {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
         invalid_content_length},
        {"chunked is not the last coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, deflate\r\n\r\n",
         invalid_transfer_encoding},
        {"chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         invalid_transfer_encoding},
        {"more than was announced, on a closing connection",
         "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nab", data_after_close},
        {"the end inside a body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", truncated},
        {"the end inside a chunked body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
         truncated},
        {"nine interim responses",
         "HTTP/1.1 103 E\r\n\r\nHTTP/1.1 103 E\r\n\r\nHTTP/1.1 103 E\r\n\r\nHTTP/1.1 103 E\r\n\r\nHTTP/1.1 "
         "103 "
         "E\r\n\r\nHTTP/1.1 103 E\r\n\r\nHTTP/1.1 103 E\r\n\r\nHTTP/1.1 103 E\r\n\r\nHTTP/1.1 103 E\r\n\r\n",
         too_many_interim},
    };
    return all;
}

inline const std::vector<accepted>& accepted_responses() {
    static const std::vector<accepted> all = {
        {"a body until the end of the connection", "HTTP/1.1 200 OK\r\n\r\nabc",
         "head 200 OK 1.1\nbody abc\nend close\nclosed\n"},
        {"an empty body until the end", "HTTP/1.0 200 OK\r\n\r\n", "head 200 OK 1.0\nend close\nclosed\n"},
        {"no reason and no space", "HTTP/1.1 204\r\n\r\n", "head 204  1.1\nend keep\nclosed\n"},
        {"no reason but a space", "HTTP/1.1 204 \r\n\r\n", "head 204  1.1\nend keep\nclosed\n"},
        {"a long reason with bytes above 0x7f",
         "HTTP/1.1 404 Nicht gef\xfc"
         "nden\r\nContent-Length: 0\r\n\r\n",
         "head 404 Nicht gef\xfc"
         "nden 1.1 Content-Length=0\nend keep\nclosed\n"},
        {"304 has no body whatever it says",
         "HTTP/1.1 304 N\r\nContent-Length: 10\r\n\r\nHTTP/1.1 204 N\r\n\r\n",
         "head 304 N 1.1 Content-Length=10\nend keep\nhead 204 N 1.1\nend keep\nclosed\n"},
        {"304 with chunked", "HTTP/1.1 304 N\r\nTransfer-Encoding: chunked\r\n\r\n",
         "head 304 N 1.1 Transfer-Encoding=chunked\nend keep\nclosed\n"},
        {"204 with a length", "HTTP/1.1 204 N\r\nContent-Length: 3\r\n\r\nHTTP/1.1 204 N\r\n\r\n",
         "head 204 N 1.1 Content-Length=3\nend keep\nhead 204 N 1.1\nend keep\nclosed\n"},
        {"interim responses",
         "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
         "1\r\n\r\na",
         "head 100 C 1.1\nend keep\nhead 103 E 1.1 Link=x\nend keep\nhead 200 OK 1.1 Content-Length=1\nbody "
         "a\nend "
         "keep\nclosed\n"},
        {"switching protocols", "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nother bytes",
         "head 101 S 1.1 Connection=upgrade Upgrade=x\nupgrade\nunread other bytes\n"},
        {"chunks and trailers",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\nHTTP/1.1 "
         "204 N\r\n\r\n",
         "head 200 OK 1.1 Transfer-Encoding=chunked\nbody hello\nend keep X-Sum=1\nhead 204 N 1.1\nend "
         "keep\nclosed\n"},
        {"a status nobody knows", "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
         "head 999 What 1.1 Content-Length=0\nend keep\nclosed\n"},
    };
    return all;
}

}  // namespace simul::http::test
