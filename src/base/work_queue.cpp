#include "src/base/work_queue.h"

#include <sched.h>

#include <utility>

namespace imp {

WorkQueue::WorkQueue(size_t threads, size_t capacity) : capacity_(capacity == 0 ? 1 : capacity) {
  for (size_t i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

WorkQueue::~WorkQueue() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

Status WorkQueue::first_error() {
  if (error_) return *error_;
  return {};
}

Status WorkQueue::push(Job job) {
  std::unique_lock lock(mutex_);
  if (workers_.empty()) {
    if (!error_) {
      Status status = job();
      if (!status.ok()) error_ = std::move(status).error();
    }
    return first_error();
  }
  changed_.wait(lock, [this] { return waiting_.size() < capacity_ || error_.has_value(); });
  if (!error_) waiting_.push_back(std::move(job));
  lock.unlock();
  changed_.notify_all();
  lock.lock();
  return first_error();
}

Status WorkQueue::drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return running_ == 0 && (waiting_.empty() || error_.has_value()); });
  return first_error();
}

void WorkQueue::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return closing_ || (!waiting_.empty() && !error_); });
    if (closing_) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    ++running_;
    lock.unlock();
    changed_.notify_all();
    Status status = job();
    job = nullptr;
    lock.lock();
    --running_;
    if (!status.ok() && !error_) error_ = std::move(status).error();
    changed_.notify_all();
  }
}

size_t default_thread_count() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count < 1 ? 1 : static_cast<size_t>(count);
}

}  // namespace imp
