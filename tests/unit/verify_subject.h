// An artifact damaged in one place with all digests right again, and what imp-verify must say of
// it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "src/verify/verify.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/temp_folder.h"
#include "tests/unit/verify_run.h"

namespace imp::testing {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using artifact::FormRecord;
using artifact::OperandRecord;
using artifact::Reader;
using verify::Level;
using verify::Verdict;

/// An artifact to be damaged in the bytes of one operand's form, with all digests right again.
class Subject {
 public:
  Subject(const std::string& bytes, std::string operand, uint16_t layout)
      : damaged(bytes), operand_(std::move(operand)), layout_(layout) {}

  OperandRecord& operand() { return damaged.operand(index()); }
  FormRecord& form() {
    OperandRecord& o = operand();
    for (uint32_t f = o.first_form; f < o.first_form + o.form_count; ++f)
      if (damaged.form(f).layout == layout_) return damaged.form(f);
    throw std::runtime_error("no such form");
  }
  ComponentRecord& component(ComponentKind kind) {
    const FormRecord& f = form();
    for (uint32_t c = f.first_component; c < f.first_component + f.component_count; ++c)
      if (damaged.component(c).kind == static_cast<uint16_t>(kind)) return damaged.component(c);
    throw std::runtime_error("no such component");
  }
  /// Byte `at` of a component; from its end if negative.
  char& byte(ComponentKind kind, int64_t at) {
    const ComponentRecord& c = component(kind);
    const auto size = static_cast<int64_t>(c.size_bytes);
    return damaged.bytes[static_cast<size_t>(static_cast<int64_t>(c.offset_bytes) +
                                             (at < 0 ? size + at : at))];
  }
  artifact::SourceTensorRecord& source_tensor(ComponentKind plane) {
    const size_t count = damaged.entry(artifact::SectionType::kSourceTensors).record_count;
    for (size_t i = 0; i < count; ++i) {
      auto& t = damaged.source_tensor(i);
      if (t.operand == index() && t.plane == static_cast<uint16_t>(plane)) return t;
    }
    throw std::runtime_error("no such source tensor");
  }
  std::string name_of(const artifact::SourceTensorRecord& tensor) {
    const auto strings = damaged.entry(artifact::SectionType::kStrings).offset_bytes;
    return damaged.bytes.substr(strings + tensor.name.offset_bytes, tensor.name.size_bytes);
  }

  verify::Report verify() {
    make_digests_right();
    verify::Options options;
    options.artifact = folder_.write("subject.imp", damaged.bytes);
    options.threads = 1;
    options.all = true;
    CollectingLog log;
    return verify::run(options, log);
  }

  Damaged damaged;

 private:
  Reader open() const {
    Result<Reader> reader = open_bytes(folder_, damaged.bytes);
    if (!reader.ok()) throw std::runtime_error(reader.error().to_line());
    return std::move(reader).take();
  }
  uint32_t index() {
    if (!index_) index_ = open().find_operand(operand_);
    if (!index_) throw std::runtime_error("no operand " + operand_);
    return *index_;
  }
  void make_digests_right() { testing::make_digests_right(damaged, folder_); }

  const std::string operand_;
  const uint16_t layout_;
  std::optional<uint32_t> index_;
  TempFolder folder_;
};

/// One damage of one operand, which must be seen as this.
struct Damage {
  const char* what;
  std::function<void(Subject&)> apply;
  ErrorKind kind;
  const char* fragment;
  /// The source tensor that must be named; none: the operand.
  std::optional<ComponentKind> names;
};

/// Each damage of this operand's form in the layout is seen at this level.
inline void expect_damages_seen(const std::string& artifact, const std::string& operand,
                                uint16_t layout, Level level, const std::vector<Damage>& damages) {
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.what);
    Subject subject(artifact, operand, layout);
    std::string name = operand;
    if (damage.names) name = subject.name_of(subject.source_tensor(*damage.names));
    damage.apply(subject);
    expect_problem(subject.verify(), level, damage.kind, name, damage.fragment);
  }
}

}  // namespace imp::testing
