#include "src/inspect/scale_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <utility>

#include "src/base/text.h"

namespace imp::inspect {
namespace {

using nlohmann::ordered_json;

void append_odd(std::string& text, uint64_t count, const char* what) {
  if (count != 0)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", with_thousands(count), what);
}

std::string odd_text(const BlockScaleStats& s) {
  std::string text;
  append_odd(text, s.nan, "NaN");
  append_odd(text, s.infinite, "infinite");
  append_odd(text, s.negative, "negative");
  append_odd(text, s.zero, "zero");
  append_odd(text, s.negative_zero, "-0");
  append_odd(text, s.subnormal, "subnormal");
  return text;
}

std::string odd_text(const ScalarStats& s, const char* what) {
  std::string text;
  append_odd(text, s.non_finite, "not finite");
  append_odd(text, s.negative, "negative");
  append_odd(text, s.zero, "zero");
  append_odd(text, s.subnormal, "subnormal");
  return text.empty() ? text : std::string(what) + ": " + text;
}

std::string range_text(const ScalarStats& s) {
  if (!s.min) return s.count == 0 ? "none" : "?";
  return *s.min == *s.max ? fmt::format("{:.6g}", *s.min)
                          : fmt::format("{:.6g} .. {:.6g}", *s.min, *s.max);
}

std::string join(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() ? a + b : a + "; " + b;
}

std::string remarks(const ScaleRow& row) {
  std::string text = row.blocks ? odd_text(*row.blocks) : row.why_no_blocks;
  text = join(text, odd_text(row.globals, "global"));
  return join(text, odd_text(row.inputs, "input"));
}

void print_row(std::ostream& out, const ScaleRow& row, size_t width) {
  const std::string blocks =
      row.blocks
          ? fmt::format("{:>13} {:>10.5g} {:>10.5g} {:>10.5g}", with_thousands(row.blocks->count),
                        row.blocks->min, row.blocks->max, row.blocks->mean)
          : fmt::format("{:>13} {:>10} {:>10} {:>10}", "-", "-", "-", "-");
  out << fmt::format("{:<{}} {}  {:<26} {:<26} {}\n", printable(row.name), width, blocks,
                     range_text(row.globals), range_text(row.inputs), remarks(row));
}

}  // namespace

void ScaleReport::add(ScaleRow row, const BlockScaleTally& blocks) {
  row.blocks = blocks.stats();
  blocks_.add(blocks);
  add_scalars(row);
  rows_.push_back(std::move(row));
}

void ScaleReport::add(ScaleRow row) {
  ++rows_without_blocks_;
  add_scalars(row);
  rows_.push_back(std::move(row));
}

void ScaleReport::add_scalars(const ScaleRow& row) {
  globals_.add(row.globals);
  inputs_.add(row.inputs);
}

void ScaleReport::print(std::ostream& out) const {
  if (rows_.empty()) {
    out << "\nscales   none that quantized weights would have\n";
    return;
  }
  size_t width = 12;
  for (const ScaleRow& row : rows_) width = std::max(width, printable(row.name).size());
  out << fmt::format("\n{:<{}} {:>13} {:>10} {:>10} {:>10}  {:<26} {:<26} {}\n", "block scales of",
                     width, "count", "min", "max", "mean", "global scale", "input scale",
                     "remarks");
  for (const ScaleRow& row : rows_) print_row(out, row, width);
  ScaleRow all{"all together", blocks_.stats(), "", globals_, inputs_};
  if (rows_without_blocks_ == rows_.size()) {
    all.blocks.reset();
    all.why_no_blocks = "no block scales read";
  }
  print_row(out, all, width);
  if (rows_without_blocks_ != 0)
    out << fmt::format("block scales of {} of {} were not read, see remarks\n",
                       with_thousands(rows_without_blocks_), with_thousands(rows_.size()));
  out << fmt::format("input scales: {} present, {} absent\n", with_thousands(inputs_.count),
                     with_thousands(inputs_.absent));
}

ordered_json ScaleReport::json() const {
  ordered_json json;
  json["all"] = {{"tensors", rows_.size()},
                 {"tensors_without_block_scales", rows_without_blocks_},
                 {"block_scales", to_json(blocks_.stats())},
                 {"global_scales", to_json(globals_)},
                 {"input_scales", to_json(inputs_)}};
  json["tensors"] = ordered_json::array();
  for (const ScaleRow& row : rows_) json["tensors"].push_back(to_json(row));
  return json;
}

}  // namespace imp::inspect
