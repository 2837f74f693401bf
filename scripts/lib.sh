# shellcheck shell=bash
# Shared by the scripts beside it: run from the root of the repository, show what runs, build a preset.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# shellcheck disable=SC2034  # for the scripts that read this file
jobs=$(nproc 2>/dev/null || echo 2)

if type -P ccache >/dev/null; then  # CMake reads these when a build folder is first configured
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache CMAKE_CUDA_COMPILER_LAUNCHER=ccache
fi

say() { printf '\n== %s\n' "$*"; }

show() {  # show COMMAND...: print it, run it
  printf '\n$ %s\n' "$*"
  "$@"
}

build() {  # build PRESET [TARGET]...
  local preset=$1
  shift
  show cmake --build --preset "$preset" --parallel "$jobs" ${1:+--target "$@"}
}
