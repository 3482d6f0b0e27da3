#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <simul/core/intrusive_list.hpp>

namespace simul::detail {

struct thread_job_tag;

/// A function that waits for a thread. It lives in the frame of the task that waits for its result.
class thread_job : public list_node<thread_job_tag> {
  public:
    /// Runs on a thread of the pool. The last thing it does is to tell the owner, who may destroy it at once.
    virtual void execute() noexcept = 0;

  protected:
    thread_job() = default;
    ~thread_job() = default;

  private:
    friend class thread_queue;
    enum class place : unsigned char { nowhere, waiting, queued } place_ = place::nowhere;
};

struct thread_queue_statistics {
    std::size_t threads, running, queued, waiting, completed;
};

/// A first-in first-out queue and the threads that serve it, started as they are needed. Threads: any.
class thread_queue {
  public:
    thread_queue(std::size_t threads, std::size_t queue_limit, std::string name);
    thread_queue(const thread_queue&) = delete;
    thread_queue& operator=(const thread_queue&) = delete;
    /// Runs what is queued, and joins the threads.
    ~thread_queue();

    /// Throws std::system_error if the first thread cannot be started.
    void push(thread_job& job);
    /// Takes a job out again; false if it runs already or is done.
    bool remove(thread_job& job) noexcept;

    std::size_t threads_max() const noexcept { return threads_max_; }
    thread_queue_statistics statistics();

  private:
    using list = intrusive_list<thread_job, thread_job_tag>;

    void serve() noexcept;
    void enqueue(thread_job& job) noexcept;
    thread_job* take() noexcept;
    void start_thread();

    std::size_t threads_max_;
    std::size_t queue_limit_;
    std::string name_;

    std::mutex mutex_;
    std::condition_variable work_or_end_;
    list queue_;
    list waiting_;
    std::size_t queued_count_ = 0;
    std::size_t waiting_count_ = 0;
    std::size_t idle_ = 0;
    std::size_t running_ = 0;
    std::size_t completed_ = 0;
    bool ending_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace simul::detail
