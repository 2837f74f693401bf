// A bounded queue of jobs between one producer and a few workers; the first error stops the line.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "src/base/result.h"

namespace imp {

/// Jobs run on `threads` workers in unspecified order. push() blocks while `capacity` jobs wait, so
/// memory held by jobs is bounded by capacity + threads of them. With threads == 0 a job runs
/// inside push().
class WorkQueue {
 public:
  using Job = std::function<Status()>;

  WorkQueue(size_t threads, size_t capacity);
  /// Drops jobs that have not begun, waits for those that have.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// The first error of any job, if there was one; the job is then not taken.
  Status push(Job job);
  /// Wait for all jobs. The first error of any job.
  Status drain();

 private:
  void work();
  Status first_error();

  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  size_t running_ = 0;
  bool closing_ = false;
  std::optional<Error> error_;
  std::vector<std::thread> workers_;
};

/// Worker count for "-j 0": the CPUs this process may run on, at least 1.
size_t default_thread_count();

}  // namespace imp
