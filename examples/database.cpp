// A library that knows nothing of simul, awaited: hiredis, the C client of Redis, in its mode that does not
// block.
//
// Such a library says "call me when this descriptor is readable". wait_readable and wait_writable are all it
// takes. Starts a redis-server of its own on a socket in a temporary folder.
#include <simul/core/all.hpp>
#include <simul/loop/finally.hpp>
#include <simul/loop/readiness.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/processes/subprocess.hpp>

#include <fmt/core.h>
#include <hiredis/hiredis.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using simul::task;

// A connection of hiredis, with one function that waits.
class database {
  public:
    explicit database(const std::string& socket)
        : context_(redisConnectUnixNonBlock(socket.c_str()), &redisFree) {
        if (context_ == nullptr) throw std::bad_alloc();
        if (context_->err != 0) throw std::runtime_error(context_->errstr);
    }

    task<std::string> command(std::vector<std::string> words) {
        std::vector<const char*> texts;
        std::vector<std::size_t> sizes;
        for (const std::string& word : words) {
            texts.push_back(word.data());
            sizes.push_back(word.size());
        }
        redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), texts.data(), sizes.data());

        for (int sent = 0; sent == 0;) {
            co_await simul::wait_writable(context_->fd);
            if (redisBufferWrite(context_.get(), &sent) != REDIS_OK)
                throw std::runtime_error(context_->errstr);
        }
        void* raw = nullptr;
        for (;;) {
            if (redisGetReplyFromReader(context_.get(), &raw) != REDIS_OK)
                throw std::runtime_error(context_->errstr);
            if (raw != nullptr) break;
            co_await simul::wait_readable(context_->fd);
            if (redisBufferRead(context_.get()) != REDIS_OK) throw std::runtime_error(context_->errstr);
        }
        const std::unique_ptr<redisReply, void (*)(void*)> reply(static_cast<redisReply*>(raw),
                                                                 &freeReplyObject);
        co_return text_of(*reply);
    }

  private:
    static std::string text_of(const redisReply& reply) {
        switch (reply.type) {
            case REDIS_REPLY_ERROR:
                throw std::runtime_error(std::string(reply.str, reply.len));
            case REDIS_REPLY_INTEGER:
                return std::to_string(reply.integer);
            case REDIS_REPLY_NIL:
                return "(nothing)";
            case REDIS_REPLY_ARRAY: {
                std::string text;
                for (std::size_t i = 0; i < reply.elements; ++i)
                    text += (i == 0 ? "" : " ") + text_of(*reply.element[i]);
                return text;
            }
            default:
                return std::string(reply.str, reply.len);
        }
    }
    std::unique_ptr<redisContext, void (*)(redisContext*)> context_;
};

// A blocking command, on a connection of its own: only this task waits for it.
task<> receive(const std::string& socket) {
    database connection(socket);
    fmt::print("waiting for mail\n");
    std::vector<std::string> pop{"BLPOP", "mail", "10"};
    fmt::print("got: {}\n", co_await connection.command(pop));
}

task<> send(const std::string& socket) {
    database connection(socket);
    std::vector<std::string> push{"RPUSH", "titles", "git bundle", "Parsing theory", "Knuth"};
    fmt::print("stored {} titles\n", co_await connection.command(push));
    co_await simul::sleep_for(20ms);
    std::vector<std::string> mail{"RPUSH", "mail", "the answer"};
    co_await connection.command(mail);
}

task<> until_it_answers(const std::string& socket) {
    const std::vector<std::string> ping{"PING"};
    for (;;) {
        try {
            database connection(socket);
            if (co_await connection.command(ping) == "PONG") co_return;
        } catch (const std::runtime_error&) {  // it is not listening yet
        }
        co_await simul::sleep_for(5ms);
    }
}

task<> app(std::string folder) {
    const std::string socket = folder + "/redis.sock";
    auto server = simul::subprocess("redis-server")
                      .arg("--port")
                      .arg("0")
                      .arg("--unixsocket")
                      .arg(socket)
                      .arg("--dir")
                      .arg(folder)
                      .arg("--save")
                      .arg("")
                      .output_to(simul::stream_to::nothing)
                      .errors_to(simul::stream_to::nothing)
                      .start();
    co_await simul::timeout(5s, until_it_answers(socket));
    co_await simul::all(receive(socket), send(socket));
    co_await server.stop(1s);
}

int main() {
    std::string folder = std::filesystem::temp_directory_path() / "database.XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) {
        fmt::print(stderr, "error: no folder can be made in the temporary directory\n");
        return 1;
    }
    const int status = simul::run_main(app, folder);
    std::filesystem::remove_all(folder);
    return status;
}
