// Where warnings and progress go. Libraries talk to this interface; tools decide what is printed.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace imp {

class Log {
 public:
  virtual ~Log() = default;
  /// Something the user should look at; the work goes on.
  virtual void warn(const std::string& line) = 0;
  /// Something worth knowing with -v.
  virtual void note(const std::string& line) = 0;
  /// `done` of `total` bytes are through. May be called often; the sink limits the rate.
  virtual void progress(uint64_t done_bytes, uint64_t total_bytes) = 0;
};

/// Keeps lines for tests and for reports. Thread-safe.
class CollectingLog : public Log {
 public:
  void warn(const std::string& line) override { add(warnings, line); }
  void note(const std::string& line) override { add(notes, line); }
  void progress(uint64_t, uint64_t) override {}

  std::vector<std::string> warnings;
  std::vector<std::string> notes;

 private:
  void add(std::vector<std::string>& list, const std::string& line) {
    const std::lock_guard lock(mutex_);
    list.push_back(line);
  }
  std::mutex mutex_;
};

}  // namespace imp
