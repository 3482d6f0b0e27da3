#include "command.hpp"

#include <simul/codec/json.hpp>
#include <simul/codec/python_text.hpp>
#include <simul/jobs/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>

namespace simul::cli {

void add_argument(job_call& call, const std::string& text) {
    auto parse = [&](std::string_view json_text) -> value {
        try {
            return json::parse(json_text);
        } catch (const std::exception& e) {
            throw_job_error(job_errc::invalid_option,
                            fmt::format("'{}' is no JSON value: {}", json_text, e.what()));
        }
    };
    std::size_t end = 0;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_'))
        ++end;
    bool is_name = end > 0 && std::isdigit(static_cast<unsigned char>(text[0])) == 0;
    if (is_name && text.compare(end, 2, ":=") == 0) {
        call.kwargs.push_back({value(text.substr(0, end)), parse(std::string_view(text).substr(end + 2))});
    } else if (is_name && end < text.size() && text[end] == '=') {
        call.kwargs.push_back({value(text.substr(0, end)), value(text.substr(end + 1))});
    } else {
        if (!call.kwargs.empty())
            throw_job_error(
                job_errc::invalid_option,
                fmt::format("'{}' comes behind a named argument; positional ones come first", text));
        call.args.push_back(text.starts_with(':') ? parse(std::string_view(text).substr(1)) : value(text));
    }
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
        for (const std::string& s : a.retry_intervals)
            options.retry_intervals.push_back(read_duration(s, "retry-interval"));
        if (!a.timeout.empty()) options.timeout = read_duration(a.timeout, "timeout");
        if (!a.ttl.empty()) options.ttl = read_duration(a.ttl, "ttl");
        if (!a.result_ttl.empty()) options.result_ttl = read_duration(a.result_ttl, "result-ttl");
        if (!a.failure_ttl.empty()) options.failure_ttl = read_duration(a.failure_ttl, "failure-ttl");
        if (!a.schedule_in.empty()) options.delay = read_duration(a.schedule_in, "schedule-in");

        job_queue queue = job_queue(std::shared_ptr<job_store>(open(common)), a.queue).with(options);
        std::string shown = options.description.empty() ? describe_call(call.function, call.args, call.kwargs)
                                                        : options.description;
        job_handle<value> handle = co_await queue.enqueue_call(std::move(call));
        if (common.json && !a.wait)
            print_line(value().set("id", handle.id()).set("queue", a.queue).set("description", shown));
        else if (a.quiet)
            print(handle.id() + "\n");
        else if (!common.json)
            print(fmt::format("Enqueued {} with job-id '{}'.\n", escape_controls(shown), handle.id()));
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
