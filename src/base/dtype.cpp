#include "src/base/dtype.h"

namespace imp {
namespace {

struct Row {
  Dtype dtype;
  uint32_t bits;
  std::string_view name;
};

constexpr Row kRows[] = {
    {Dtype::kBool, 8, "BOOL"},
    {Dtype::kF4, 4, "F4"},
    {Dtype::kF6E2M3, 6, "F6_E2M3"},
    {Dtype::kF6E3M2, 6, "F6_E3M2"},
    {Dtype::kU8, 8, "U8"},
    {Dtype::kI8, 8, "I8"},
    {Dtype::kF8E5M2, 8, "F8_E5M2"},
    {Dtype::kF8E4M3, 8, "F8_E4M3"},
    {Dtype::kF8E8M0, 8, "F8_E8M0"},
    {Dtype::kF8E4M3Fnuz, 8, "F8_E4M3FNUZ"},
    {Dtype::kF8E5M2Fnuz, 8, "F8_E5M2FNUZ"},
    {Dtype::kI16, 16, "I16"},
    {Dtype::kU16, 16, "U16"},
    {Dtype::kF16, 16, "F16"},
    {Dtype::kBF16, 16, "BF16"},
    {Dtype::kI32, 32, "I32"},
    {Dtype::kU32, 32, "U32"},
    {Dtype::kF32, 32, "F32"},
    {Dtype::kC64, 64, "C64"},
    {Dtype::kF64, 64, "F64"},
    {Dtype::kI64, 64, "I64"},
    {Dtype::kU64, 64, "U64"},
};

}  // namespace

uint32_t dtype_bits(Dtype dtype) {
  for (const Row& row : kRows)
    if (row.dtype == dtype) return row.bits;
  return 0;
}

std::string_view dtype_name(Dtype dtype) {
  for (const Row& row : kRows)
    if (row.dtype == dtype) return row.name;
  return "?";
}

std::optional<Dtype> dtype_from_name(std::string_view name) {
  for (const Row& row : kRows)
    if (row.name == name) return row.dtype;
  return std::nullopt;
}

bool is_plain_float(Dtype dtype) {
  return dtype == Dtype::kF16 || dtype == Dtype::kBF16 || dtype == Dtype::kF32 ||
         dtype == Dtype::kF64;
}

}  // namespace imp
