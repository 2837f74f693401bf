// Ctrl-C as a flag. Each case runs in a process of its own: signals are the process's.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>

#include "src/base/interrupt.h"

namespace imp {
namespace {

/// Exit 0 if the flag is down before `number` is raised and up after it.
[[noreturn]] void raise_once(int number) {
  install_interrupt_handlers();
  if (!check_interrupted().ok()) std::exit(1);
  ::raise(number);
  const Status status = check_interrupted();
  std::exit(!status.ok() && status.error().kind == ErrorKind::kInterrupted ? 0 : 2);
}

TEST(InterruptDeathTest, ASignalSetsTheFlag) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP})
    EXPECT_EXIT(raise_once(number), ::testing::ExitedWithCode(0), "");
}

TEST(InterruptDeathTest, ASecondSignalEndsTheProcess) {
  const auto raise_twice = [] {
    install_interrupt_handlers();
    ::raise(SIGINT);
    ::raise(SIGINT);
    std::exit(0);
  };
  EXPECT_EXIT(raise_twice(), ::testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace imp
