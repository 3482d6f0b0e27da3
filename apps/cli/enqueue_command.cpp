#include "command.hpp"

#include <simul/codec/json.hpp>
#include <simul/codec/python_literal.hpp>
#include <simul/codec/python_text.hpp>
#include <simul/jobs/error.hpp>

#include "time_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

namespace simul::cli {

namespace {

enum class spelling { text, json, python };

[[noreturn]] void wrong_argument(const std::string& text) { throw_job_error(job_errc::invalid_option, text); }

// The text of a file, for an argument "@FILE".
std::string text_of_file(const std::string& name) {
    auto wrong = [&](std::string_view why) {
        wrong_argument(
            fmt::format("'@{}' names a file, and {}: {}; a text that begins with @ is written as "
                        "JSON, ':\"@{}\"'",
                        escape_controls(name), escape_controls(name), why, escape_controls(name)));
    };
    std::error_code error;
    if (std::filesystem::is_directory(name, error)) wrong("it is a folder");
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(name.c_str(), "rbe"), &std::fclose);
    if (!file) wrong(std::generic_category().message(errno));
    std::string text;
    std::array<char, 65536> chunk;
    while (std::size_t n = std::fread(chunk.data(), 1, chunk.size(), file.get())) {
        text.append(chunk.data(), n);
        if (text.size() > argument_file_bytes_max)
            wrong(fmt::format("it is larger than {} bytes, the most that a job may carry",
                              argument_file_bytes_max));
    }
    if (std::ferror(file.get()) != 0) wrong("it cannot be read");
    return text;
}

value read_value(std::string text, spelling form, std::string_view what) {
    const std::string from = text.starts_with('@') ? text.substr(1) : "";
    if (text.starts_with('@')) text = text_of_file(from);
    try {
        switch (form) {
            case spelling::text:
                return value(std::move(text));
            case spelling::json:
                return json::parse(text);
            case spelling::python:
                return parse_python_literal(text, {.bytes_max = argument_file_bytes_max});
        }
    } catch (const codec_error& e) {  // told with the argument
        const std::string shown = from.empty() ? fmt::format("'{}'", escape_controls(text))
                                               : fmt::format("the file {}", escape_controls(from));
        wrong_argument(fmt::format("{}{} is no {}: {}", what, shown,
                                   form == spelling::json ? "JSON value" : "Python literal", e.what()));
    }
    return {};
}

}  // namespace

void add_argument(job_call& call, const std::string& text) {
    std::size_t end = 0;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_'))
        ++end;
    const bool is_name = end > 0 && std::isdigit(static_cast<unsigned char>(text[0])) == 0;
    const bool is_json = is_name && text.compare(end, 2, ":=") == 0;
    const bool is_python = is_name && text.compare(end, 2, "%=") == 0;
    if (is_json || is_python || (is_name && end < text.size() && text[end] == '=')) {
        const value name(text.substr(0, end));
        for (const value::entry& e : call.kwargs)
            if (e.key == name)
                wrong_argument(fmt::format("the argument '{}' is given twice", name.as_string()));
        const spelling form = is_json ? spelling::json : is_python ? spelling::python : spelling::text;
        call.kwargs.push_back({name, read_value(text.substr(end + (form == spelling::text ? 1 : 2)), form,
                                                name.as_string() + ": ")});
        return;
    }
    if (!call.kwargs.empty())
        wrong_argument(fmt::format("'{}' comes behind a named argument; positional ones come first", text));
    if (text.starts_with(':'))
        call.args.push_back(read_value(text.substr(1), spelling::json, ""));
    else if (text.starts_with('%'))
        call.args.push_back(read_value(text.substr(1), spelling::python, ""));
    else
        call.args.push_back(read_value(text, spelling::text, ""));
}

std::string shell_words(const std::vector<std::string>& words) {
    constexpr std::string_view plain = "_@%+=:,./-";
    std::string line;
    for (const std::string& word : words) {
        if (!line.empty()) line += ' ';
        if (!word.empty() && std::all_of(word.begin(), word.end(), [&](char c) {
                return std::isalnum(static_cast<unsigned char>(c)) != 0 || plain.find(c) != plain.npos;
            })) {
            line += word;
            continue;
        }
        line += '\'';
        for (char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
        line += '\'';
    }
    return line;
}

int enqueue(const common_options& common, const enqueue_arguments& a) {
    return run_command([&]() -> task<int> {
        job_call call;
        call_options options;
        if (a.exec) {
            call.function = exec_function;
            std::vector<value> words;
            for (const std::string& word : a.arguments) words.emplace_back(word);
            call.args.push_back(value::list(std::move(words)));
            call.kwargs.push_back({value("cwd"), value(std::filesystem::current_path().string())});
            options.description = shell_words(a.arguments);
        } else {
            call.function = a.function;
            for (const std::string& text : a.arguments) add_argument(call, text);
        }
        if (!a.description.empty()) options.description = a.description;
        options.id = a.id;
        options.at_front = a.at_front;
        options.retries = a.retry_max;
        options.depends_on = a.depends_on;
        options.allow_dependency_failures = a.allow_dependency_failures;
        for (const std::string& s : a.retry_intervals)
            options.retry_intervals.push_back(read_duration(s, "retry-interval"));
        if (!a.timeout.empty()) options.timeout = read_duration(a.timeout, "timeout");
        if (!a.ttl.empty()) options.ttl = read_duration(a.ttl, "ttl");
        if (!a.result_ttl.empty()) options.result_ttl = read_duration(a.result_ttl, "result-ttl");
        if (!a.failure_ttl.empty()) options.failure_ttl = read_duration(a.failure_ttl, "failure-ttl");
        if (!a.schedule_in.empty()) options.delay = read_duration(a.schedule_in, "schedule-in");
        if (!a.schedule_at.empty()) options.at = read_time(a.schedule_at, "schedule-at");
        // In the times' own unit: in the clock's nanoseconds the year 9999 is past.
        const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
        const bool is_past = options.at && *options.at <= now;

        job_queue queue = job_queue(std::shared_ptr<job_store>(open(common)), a.queue).with(options);
        std::string shown = options.description.empty() ? describe_call(call.function, call.args, call.kwargs)
                                                        : options.description;
        job_handle<value> handle = co_await queue.enqueue_call(std::move(call));
        if (common.json && !a.wait) {
            value v;
            v.set("id", handle.id()).set("queue", a.queue).set("description", shown);
            if (options.at && !is_past) v.set("due_at", to_iso(*options.at));
            print_line(v);
        } else if (a.quiet) {
            print(handle.id() + "\n");
        } else if (!common.json) {
            print(fmt::format("Enqueued {} with job-id '{}'.\n", escape_controls(shown), handle.id()));
            if (is_past)
                print(
                    fmt::format("{} is past: it went to its queue at once.\n", local_time_text(*options.at)));
            else if (options.at)
                print(fmt::format("It goes to its queue at {} ({}).\n", local_time_text(*options.at),
                                  to_iso(*options.at)));
        }
        if (!a.wait) co_return ok;
        (void)flush_output();
        value result = co_await handle.result();
        if (common.json)
            print_line(value().set("id", handle.id()).set("result", printable(result)));
        else
            print(python_repr(result) + "\n");
        co_return ok;
    });
}

}  // namespace simul::cli
