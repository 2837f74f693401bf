#include "src/bench/report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <ostream>

namespace imp::bench {
namespace {

using Json = nlohmann::ordered_json;

Json device_json(const cuda::Device& device) {
  return {{"name", device.name},
          {"sm", device.sm},
          {"multiprocessors", device.multiprocessors},
          {"l2_bytes", device.l2_bytes},
          {"memory_bytes", device.total_bytes}};
}

std::string device_line(const cuda::Device& device) {
  return fmt::format("{}, sm_{}, {} multiprocessors, L2 {} MiB", device.name, device.sm,
                     device.multiprocessors, device.l2_bytes >> 20);
}

std::string shape_text(const GemmRow& row) {
  const std::string one = fmt::format("{}x{}", row.n, row.k);
  return row.experts == 1 ? one : fmt::format("{}x{}", row.experts, one);
}

std::string kernel_text(const GemmRow& row) {
  return row.kernel + (row.x_order == "layout" ? " x-layout" : "") +
         (row.overlap ? " overlap" : "");
}

std::string dash_or(bool shown, const std::string& text) { return shown ? text : "-"; }

Json row_json(const GemmRow& row) {
  Json json = {{"n", row.n},
               {"k", row.k},
               {"experts", row.experts},
               {"m", row.m},
               {"kernel", row.kernel},
               {"x_order", row.x_order},
               {"overlap", row.overlap},
               {"weight_bytes", row.weight_bytes},
               {"good", row.good},
               {"check", row.check}};
  if (!row.good) return json;
  json["us"] = row.us;
  json["floor_us"] = row.floor_us;
  json["share_of_floor"] = row.floor_share();
  if (row.cublas_us) {
    json["cublas_us"] = *row.cublas_us;
    json["times_cublas"] = *row.cublas_us / row.us;
  }
  json["gigabytes_per_s"] = row.gigabytes_per_s();
  json["teraflops"] = row.teraflops();
  return json;
}

Json row_json(const RepackRow& row) {
  Json json = {{"operation", row.operation},         {"rows", row.rows}, {"k", row.k},
               {"traffic_bytes", row.traffic_bytes}, {"good", row.good}, {"check", row.check}};
  if (!row.good) return json;
  json["us"] = row.us;
  json["copy_us"] = row.copy_us;
  json["copy_ratio"] = row.copy_ratio();
  json["gigabytes_per_s"] = row.gigabytes_per_s();
  return json;
}

template <class Report>
bool all_good(const Report& report) {
  return std::all_of(report.rows.begin(), report.rows.end(),
                     [](const auto& row) { return row.good; });
}

void dump(std::ostream& out, const Json& json) {
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

}  // namespace

bool GemmReport::good() const { return all_good(*this); }
bool RepackReport::good() const { return all_good(*this); }

void print_table(std::ostream& out, const GemmReport& report) {
  out << device_line(report.device) << "\n"
      << fmt::format("{} mma64, {} activations, cold weights, median of {} replays; cuBLAS: {}\n",
                     report.scheme, report.activation, report.replays, report.cublas);
  out << fmt::format("{:<16} {:>6} {:<30} {:>9} {:>9} {:>7} {:>10} {:>9} {:>8} {:>8}  {}\n",
                     "N x K", "M", "kernel", "us", "floor us", "floor %", "cuBLAS us", "x cuBLAS",
                     "GB/s", "TFLOP/s", "check");
  for (const GemmRow& row : report.rows) {
    const bool cublas = row.good && row.cublas_us.has_value();
    out << fmt::format(
        "{:<16} {:>6} {:<30} {:>9} {:>9} {:>7} {:>10} {:>9} {:>8} {:>8}  {}\n", shape_text(row),
        row.m, kernel_text(row), dash_or(row.good, fmt::format("{:.1f}", row.us)),
        dash_or(row.good, fmt::format("{:.1f}", row.floor_us)),
        dash_or(row.good, fmt::format("{:.0f}", 100 * row.floor_share())),
        dash_or(cublas, fmt::format("{:.1f}", row.cublas_us.value_or(0))),
        dash_or(cublas, fmt::format("{:.2f}", row.cublas_us.value_or(0) / std::max(row.us, 1e-9))),
        dash_or(row.good, fmt::format("{:.0f}", row.gigabytes_per_s())),
        dash_or(row.good, fmt::format("{:.0f}", row.teraflops())),
        row.good ? row.check : "WRONG: " + row.check);
  }
}

void print_table(std::ostream& out, const RepackReport& report) {
  out << device_line(report.device) << "\n"
      << fmt::format("path {}, cold data, median of {} replays\n", report.path, report.replays);
  out << fmt::format("{:<16} {:>16} {:>10} {:>9} {:>9} {:>8} {:>9}  {}\n", "operation", "rows x K",
                     "MiB moved", "us", "copy us", "x copy", "GB/s", "check");
  for (const RepackRow& row : report.rows)
    out << fmt::format("{:<16} {:>16} {:>10} {:>9} {:>9} {:>8} {:>9}  {}\n", row.operation,
                       fmt::format("{}x{}", row.rows, row.k), row.traffic_bytes >> 20,
                       dash_or(row.good, fmt::format("{:.1f}", row.us)),
                       dash_or(row.good, fmt::format("{:.1f}", row.copy_us)),
                       dash_or(row.good, fmt::format("{:.2f}", row.copy_ratio())),
                       dash_or(row.good, fmt::format("{:.0f}", row.gigabytes_per_s())),
                       row.good ? row.check : "WRONG: " + row.check);
}

void print_json(std::ostream& out, const GemmReport& report) {
  Json json;
  json["benchmark"] = "gemm";
  json["device"] = device_json(report.device);
  json["layout"] = "mma64";
  json["scheme"] = report.scheme;
  json["activation"] = report.activation;
  json["replays"] = report.replays;
  json["cublas"] = report.cublas;
  json["good"] = report.good();
  json["rows"] = Json::array();
  for (const GemmRow& row : report.rows) json["rows"].push_back(row_json(row));
  dump(out, json);
}

void print_json(std::ostream& out, const RepackReport& report) {
  Json json;
  json["benchmark"] = "repack";
  json["device"] = device_json(report.device);
  json["path"] = report.path;
  json["replays"] = report.replays;
  json["good"] = report.good();
  json["rows"] = Json::array();
  for (const RepackRow& row : report.rows) json["rows"].push_back(row_json(row));
  dump(out, json);
}

}  // namespace imp::bench
