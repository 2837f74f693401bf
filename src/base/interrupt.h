// Ctrl-C and SIGTERM as a flag that long loops ask, so that temporary files are removed on the way
// out.
#pragma once

#include "src/base/result.h"

namespace imp {

/// Install handlers for SIGINT, SIGTERM and SIGHUP. A second signal ends the process at once.
void install_interrupt_handlers();
/// kInterrupted once a signal came.
Status check_interrupted();

}  // namespace imp
