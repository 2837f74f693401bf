// Figures as a table or as JSON; nothing here measures.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cuda/runtime.h"

namespace imp::bench {

/// One measured call. A row whose check failed has no times: what is wrong is not fast.
struct GemmRow {
  uint64_t n = 0, k = 0, experts = 1;
  uint64_t m = 0;             ///< rows of X, of all experts together
  std::string kernel;         ///< as chosen: "mma-decode", ...; "dequantise+cublas"
  std::string x_order;        ///< "natural" or "layout"
  bool overlap = false;       ///< launches overlap their predecessors
  uint64_t weight_bytes = 0;  ///< packed
  bool good = false;
  std::string check;  ///< "ok" or what is wrong
  double us = 0;
  double floor_us = 0;              ///< reading the packed bytes alone, same run
  std::optional<double> cublas_us;  ///< plain 16-bit weights, same run

  double floor_share() const { return us > 0 ? floor_us / us : 0; }
  double gigabytes_per_s() const {
    return us > 0 ? static_cast<double>(weight_bytes) / us * 1e-3 : 0;
  }
  double teraflops() const {
    return us > 0 ? 2e-6 * static_cast<double>(m) * static_cast<double>(n) *
                        static_cast<double>(k) / us
                  : 0;
  }
};

struct GemmReport {
  cuda::Device device;
  std::string scheme = "nvfp4";  ///< with what is to be said about its groups
  std::string activation;        ///< "bf16" or "f16"
  uint64_t replays = 0;
  std::string cublas;  ///< library, or why there is none
  bool has_cublas = false;
  std::vector<GemmRow> rows;
  bool good() const;
};

struct RepackRow {
  std::string operation;  ///< "pack mma64", ...
  uint64_t rows = 0, k = 0;
  uint64_t traffic_bytes = 0;  ///< read and written
  bool good = false;
  std::string check;
  double us = 0;
  double copy_us = 0;  ///< device-to-device copy of the same traffic, same run
  double copy_ratio() const { return us > 0 ? copy_us / us : 0; }
  double gigabytes_per_s() const {
    return us > 0 ? static_cast<double>(traffic_bytes) / us * 1e-3 : 0;
  }
};

struct RepackReport {
  cuda::Device device;
  std::string path;  ///< "word" or "map"
  uint64_t replays = 0;
  std::vector<RepackRow> rows;
  bool good() const;
};

void print_table(std::ostream& out, const GemmReport& report);
void print_table(std::ostream& out, const RepackReport& report);
/// One JSON document.
void print_json(std::ostream& out, const GemmReport& report);
void print_json(std::ostream& out, const RepackReport& report);

}  // namespace imp::bench
