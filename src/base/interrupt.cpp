#include "src/base/interrupt.h"

#include <signal.h>

#include <atomic>

namespace imp {
namespace {

std::atomic<bool> interrupted{false};

void on_signal(int) { interrupted.store(true); }

}  // namespace

void install_interrupt_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  // The default action comes back after the first signal: the second one ends the process.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

Status check_interrupted() {
  if (interrupted.load()) return Error{ErrorKind::kInterrupted, "interrupted", "", ""};
  return {};
}

}  // namespace imp
