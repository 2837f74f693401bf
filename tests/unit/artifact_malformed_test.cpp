// One thing changed in a sound artifact: the kind of error and the place that it names.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>

#include "tests/unit/artifact_sample.h"

namespace imp::testing {
namespace {

using namespace artifact;
using enum ErrorKind;
using enum SectionType;

struct Case {
  const char* name;
  std::function<void(Damaged&)> damage;
  ErrorKind kind;
  std::string fragment;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const std::string& sound_bytes() {
  static const std::string bytes = rich_sample().bytes();
  return bytes;
}

void expect_refused(const Result<Reader>& opened, const Case& c) {
  ASSERT_FALSE(opened.ok()) << "opened";
  EXPECT_EQ(opened.error().kind, c.kind) << opened.error().to_line();
  EXPECT_NE(opened.error().message.find(c.fragment), std::string::npos)
      << opened.error().message << "\nexpected: " << c.fragment;
  EXPECT_TRUE(opened.error().file.ends_with("sample.imp"));
}

/// The bytes as the damage leaves them.
class RawDamage : public ::testing::TestWithParam<Case> {};
TEST_P(RawDamage, IsRefused) {
  const TempFolder folder;
  Damaged damaged(sound_bytes());
  ASSERT_TRUE(open_bytes(folder, damaged.bytes).ok());
  GetParam().damage(damaged);
  expect_refused(open_bytes(folder, damaged.bytes), GetParam());
}

/// With every checksum right again, so that the changed field is all that is wrong.
class SealedDamage : public ::testing::TestWithParam<Case> {};
TEST_P(SealedDamage, IsRefused) {
  const TempFolder folder;
  Damaged damaged(sound_bytes());
  GetParam().damage(damaged);
  damaged.reseal();
  expect_refused(open_bytes(folder, damaged.bytes), GetParam());
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

const Case kFile[] = {
    {"Empty", [](Damaged& d) { d.bytes.clear(); }, kTruncated,
     "file has 0 bytes, expected a header"},
    {"Magic", [](Damaged& d) { d.bytes[1] = 'i'; }, kBadMagic, "not those of an .imp file"},
    {"TextMode", [](Damaged& d) { d.bytes.erase(4, 1); }, kBadMagic, "text-mode"},
    {"EightBitUnsafe", [](Damaged& d) { d.bytes[0] &= 0x7F; }, kBadMagic, "text-mode"},
    {"NewerMajor", [](Damaged& d) { d.header().major_version = 3; }, kUnsupportedVersion,
     "format version is 3.1, this reader knows 0.1"},
    {"NewerMajorWithAnotherHeader",
     [](Damaged& d) {
       d.bytes.resize(12);
       d.bytes[8] = 7;
     },
     kUnsupportedVersion, "format version is 7.1, this reader knows 0.1"},
    {"HeaderCut", [](Damaged& d) { d.bytes.resize(255); }, kTruncated,
     "file has 255 bytes, expected a header of 256"},
    {"FileCut", [](Damaged& d) { d.bytes.pop_back(); }, kTruncated, "expected "},
    {"FileLonger", [](Damaged& d) { d.bytes += '\0'; }, kTrailingBytes, "expected "},
    {"Checksum", [](Damaged& d) { d.header().checksum ^= 1; }, kBadChecksum, "the header"},
    {"ArtifactId", [](Damaged& d) { d.header().artifact_id[31] ^= 1; }, kBadChecksum, "the header"},
    {"SectionTable", [](Damaged& d) { d.entry(kForms).digest[0] ^= 1; }, kBadChecksum,
     "the section table does not match its digest"},
    {"Operands", [](Damaged& d) { d.operand(1).role ^= 1; }, kBadChecksum,
     "section operands does not match"},
    {"Strings", [](Damaged& d) { d.bytes[d.entry(kStrings).offset_bytes] ^= 1; }, kBadChecksum,
     "section strings does not match"},
    {"Chunks", [](Damaged& d) { d.chunk(1).digest[3] ^= 1; }, kBadChecksum,
     "section chunks does not match"},
    {"Manifest", [](Damaged& d) { d.bytes[d.entry(kManifest).offset_bytes] ^= 1; }, kBadChecksum,
     "section manifest does not match"},
    {"CompanionTable", [](Damaged& d) { d.companion(0).sha256[0] ^= 1; }, kBadChecksum,
     "section companion_table does not match"},
    {"CompanionBytes", [](Damaged& d) { d.bytes[d.entry(kCompanionBytes).offset_bytes] ^= 1; },
     kBadChecksum, "section companion_bytes does not match"},
    {"UnknownSection",
     [](Damaged& d) {
       d.add_section(1000, 0);
       d.reseal();
       d.bytes.back() ^= 1;
     },
     kBadChecksum, "section of type 1000 does not match its digest"},
    {"GapInTheIndex", [](Damaged& d) { d.bytes[d.entry(kSourceFiles).offset_bytes - 1] = 1; },
     kNonZeroPadding, "before section source_files are not zero"},
    {"GapBeforePayload", [](Damaged& d) { d.bytes[d.entry(kPayload).offset_bytes - 1] = 1; },
     kNonZeroPadding, "before section payload are not zero"},
    {"GapBeforeExceptions", [](Damaged& d) { d.bytes[d.entry(kExceptions).offset_bytes - 1] = 1; },
     kNonZeroPadding, "before section exceptions are not zero"},
    {"GapBeforeCompanions",
     [](Damaged& d) { d.bytes[d.entry(kCompanionTable).offset_bytes - 1] = 1; }, kNonZeroPadding,
     "before section companion_table are not zero"},
};
INSTANTIATE_TEST_SUITE_P(File, RawDamage, ::testing::ValuesIn(kFile), case_name);

const Case kHeader[] = {
    {"HeaderBytes", [](Damaged& d) { d.header().header_bytes = 512; }, kBadRecord,
     "are 512, 256 and 64, expected 256, 256 and 64"},
    {"IncompatibleFeature", [](Damaged& d) { d.header().incompatible_features = 4; },
     kUnsupportedVersion, "incompatible_features is 4, this reader knows none"},
    {"TotalBytes", [](Damaged& d) { ++d.header().total_bytes; }, kTruncated, "expected "},
    {"TableOffset", [](Damaged& d) { d.header().section_table_offset_bytes = 320; }, kBadRecord,
     "are 256, 320 and 64"},
    {"EntryBytes", [](Damaged& d) { d.header().section_entry_bytes = 128; }, kBadRecord,
     "are 256, 256 and 128"},
    {"Reserved", [](Damaged& d) { d.header().reserved[143] = 1; }, kNonZeroPadding, "header"},
    {"FewSections", [](Damaged& d) { d.header().section_count = 14; }, kBadSection,
     "the file has 14 sections, expected at least 15"},
    {"ManySections", [](Damaged& d) { d.header().section_count = 0xFFFFFFFF; }, kBadSection,
     "the table of 4294967295 sections does not fit the file"},
};
INSTANTIATE_TEST_SUITE_P(Header, SealedDamage, ::testing::ValuesIn(kHeader), case_name);

const Case kSections[] = {
    {"Repeated", [](Damaged& d) { d.entry(kForms).type = 2; }, kBadSection,
     "section parts is repeated or out of order"},
    {"Missing", [](Damaged& d) { d.entry(kForms).type = 4; }, kBadSection,
     "section forms is missing"},
    {"TypeZero", [](Damaged& d) { d.entry(kOperands).type = 0; }, kBadSection,
     "section of type 0 is repeated or out of order"},
    {"LastMissing", [](Damaged& d) { d.entry(kCompanionBytes).type = 16; }, kBadSection,
     "section companion_bytes is missing"},
    {"UnknownRequired", [](Damaged& d) { d.add_section(1000, kSectionRequired); },
     kUnsupportedVersion, "section of type 1000 is required"},
    {"UnknownRepeated", [](Damaged& d) { d.add_section(15, 0); }, kBadSection,
     "section companion_bytes is repeated"},
    {"UnknownReserved",
     [](Damaged& d) {
       d.add_section(1000, 0);
       d.entry(SectionType{16}).reserved = 1;
     },
     kNonZeroPadding, "section of type 1000"},
    {"Flags", [](Damaged& d) { d.entry(kParts).flags = 0; }, kBadSection,
     "section parts: flags are 0, expected 1"},
    {"FlagUnknown", [](Damaged& d) { d.entry(kParts).flags |= 4; }, kBadSection,
     "section parts: flags are 5"},
    {"Reserved", [](Damaged& d) { d.entry(kParts).reserved = 1; }, kNonZeroPadding,
     "section parts"},
    {"RawBytes", [](Damaged& d) { ++d.entry(kStrings).raw_bytes; }, kBadSection,
     "section strings: raw_bytes is"},
    {"RecordCount", [](Damaged& d) { ++d.entry(kParts).record_count; }, kBadSection,
     "section parts: holds"},
    {"RecordCountWraps", [](Damaged& d) { d.entry(kParts).record_count += uint64_t{1} << 58; },
     kBadSection, "section parts: holds"},
    {"RecordBytes",
     [](Damaged& d) {
       d.entry(kParts).record_bytes /= 2;
       d.entry(kParts).record_count *= 2;
     },
     kBadSection, "of 32 bytes"},
    {"RecordsWhereNone", [](Damaged& d) { d.entry(kPayload).record_count = 1; }, kBadSection,
     "section payload: holds 1 records"},
    {"PayloadDigest", [](Damaged& d) { d.entry(kPayload).digest[0] = 1; }, kBadSection,
     "section payload: has a digest"},
    {"ExceptionsDigest", [](Damaged& d) { d.entry(kExceptions).digest[15] = 1; }, kBadSection,
     "section exceptions: has a digest"},
    {"Offset", [](Damaged& d) { d.entry(kParts).offset_bytes += 64; }, kBadSection,
     "section parts is bytes"},
    {"Overlap", [](Damaged& d) { d.entry(kParts).offset_bytes -= 64; }, kBadSection,
     "section parts is bytes"},
    {"PastTheEnd",
     [](Damaged& d) {
       d.entry(kCompanionBytes).stored_bytes = d.entry(kCompanionBytes).raw_bytes = ~uint64_t{0};
     },
     kBadSection, "section companion_bytes is bytes"},
    {"EndsEarly",
     [](Damaged& d) {
       --d.entry(kCompanionBytes).stored_bytes;
       --d.entry(kCompanionBytes).raw_bytes;
     },
     kBadSection, "expected the end of the file"},
    {"PayloadLonger",
     [](Damaged& d) {
       ++d.entry(kPayload).stored_bytes;
       ++d.entry(kPayload).raw_bytes;
     },
     kBadSection, "the end of the last component"},
    {"PayloadShorter",
     [](Damaged& d) {
       const uint64_t size = --d.entry(kPayload).stored_bytes;
       d.entry(kPayload).raw_bytes = size;
       d.bytes[d.entry(kPayload).offset_bytes + size] = 0;
     },
     kBadRecord, "component 7 of operand 'd.head': bytes"},
    {"ExceptionsLonger",
     [](Damaged& d) {
       ++d.entry(kExceptions).stored_bytes;
       ++d.entry(kExceptions).raw_bytes;
     },
     kBadSection, "the end of the last exceptions component"},
    {"CompanionBytesLonger",
     [](Damaged& d) {
       d.bytes += '\0';
       ++d.header().total_bytes;
       ++d.entry(kCompanionBytes).stored_bytes;
       ++d.entry(kCompanionBytes).raw_bytes;
     },
     kBadSection, "the end of the last companion"},
};
INSTANTIATE_TEST_SUITE_P(Sections, SealedDamage, ::testing::ValuesIn(kSections), case_name);

const Case kOperandRecords[] = {
    {"NameOutside", [](Damaged& d) { d.operand(1).name.offset_bytes = 0xFFFFFFFF; }, kBadRecord,
     "operand 1: name is bytes 4294967295 + 6 of the strings"},
    {"NameTooFar", [](Damaged& d) { d.operand(1).name.size_bytes = 0xFFFFFFFF; }, kBadRecord,
     "operand 1: name is bytes"},
    {"NameEmpty", [](Damaged& d) { d.operand(1).name.size_bytes = 0; }, kBadName,
     "operand 1: name is empty"},
    {"NameTooLong", [](Damaged& d) { d.operand(1).name = d.source_file(0).metadata; }, kBadName,
     "operand 1: name has 5011 bytes, expected at most 4096"},
    {"NameControl",
     [](Damaged& d) {
       d.bytes[d.entry(kStrings).offset_bytes + d.operand(1).name.offset_bytes] = '\n';
     },
     kBadName, "operand 1: name '\\x0a.norm' is not UTF-8"},
    {"NameNotUtf8",
     [](Damaged& d) {
       d.bytes[d.entry(kStrings).offset_bytes + d.operand(1).name.offset_bytes] = '\xC3';
     },
     kBadName, "operand 1: name '\\xc3.norm' is not UTF-8"},
    {"Duplicate", [](Damaged& d) { d.operand(1).name = d.operand(0).name; }, kDuplicateName,
     "operand 1 'a.experts': an operand has this name already"},
    {"Unsorted", [](Damaged& d) { std::swap(d.operand(1).name, d.operand(2).name); }, kBadRecord,
     "operand 2 'b.norm': stands after a name that sorts after it"},
    {"NoExperts", [](Damaged& d) { d.operand(1).experts = 0; }, kBadRecord,
     "operand 1 'b.norm': experts is 0"},
    {"NoRows", [](Damaged& d) { d.operand(0).n = 0; }, kBadRecord, "operand 0 'a.experts'"},
    {"NoColumns", [](Damaged& d) { d.operand(0).k = 0; }, kBadRecord, "n and k are 6 and 0"},
    {"Flags", [](Damaged& d) { d.operand(0).flags |= 8; }, kBadRecord, "flags 10 have an unknown"},
    {"Reserved", [](Damaged& d) { d.operand(0).reserved[4] = 1; }, kNonZeroPadding,
     "operand 0 'a.experts'"},
    {"GroupRowsOfOne", [](Damaged& d) { d.operand(0).group_rows = 1; }, kBadRecord,
     "operand 0 'a.experts': group_rows is 1 with group_size "},
    {"GroupRowsWithoutGroups",
     [](Damaged& d) {
       d.operand(1).group_size = 0;
       d.operand(1).group_rows = 128;
     },
     kBadRecord, "operand 1 'b.norm': group_rows is 128 with group_size 0"},
    {"NoParts", [](Damaged& d) { d.operand(0).part_count = 0; }, kBadRecord,
     "operand 0 'a.experts': has 0 parts, expected at least 1"},
    {"TwoPartsWithoutGemm", [](Damaged& d) { d.operand(1).part_count = 2; }, kBadRecord,
     "operand 1 'b.norm': has 2 parts, expected 1"},
    {"NoForms", [](Damaged& d) { d.operand(0).form_count = 0; }, kBadRecord,
     "operand 0 'a.experts': has 0 forms, expected at least 1"},
    {"TwoFormsWithoutGemm",
     [](Damaged& d) {
       d.operand(3).flags = 0;
       d.operand(3).part_count = 1;
     },
     kBadRecord, "operand 3 'd.head': has 2 forms, expected 1"},
    {"FirstPart", [](Damaged& d) { d.operand(1).first_part = 1; }, kBadRecord,
     "operand 1 'b.norm': its parts are 1 + 1, expected to start at 2"},
    {"PartsPastTheEnd", [](Damaged& d) { d.operand(3).part_count = 3; }, kBadRecord,
     "operand 3 'd.head': its parts are 4 + 3, expected to start at 4 and end by 6"},
    {"FirstForm", [](Damaged& d) { d.operand(1).first_form = 0xFFFFFFFF; }, kBadRecord,
     "operand 1 'b.norm': its forms are 4294967295 + 1"},
    {"FormsPastTheEnd", [](Damaged& d) { d.operand(3).form_count = 0xFFFFFFFF; }, kBadRecord,
     "operand 3 'd.head': its forms are 3 + 4294967295"},
    {"FormWithoutOwner", [](Damaged& d) { d.operand(3).form_count = 1; }, kBadRecord,
     "form 4: belongs to nothing"},
    {"PartWithoutOwner",
     [](Damaged& d) {
       d.operand(3).part_count = 1;
       d.operand(3).n = 4;
     },
     kBadRecord, "part 5: belongs to nothing"},
    {"ExecutionTwice", [](Damaged& d) { d.operand(2).execution_index = 1; }, kBadRecord,
     "operand 2 'c.scalar': execution_index 1 is taken or not below 4"},
    {"ExecutionPastTheEnd", [](Damaged& d) { d.operand(2).execution_index = 4; }, kBadRecord,
     "operand 2 'c.scalar': execution_index 4 is taken or not below 4"},
};
INSTANTIATE_TEST_SUITE_P(Operands, SealedDamage, ::testing::ValuesIn(kOperandRecords), case_name);

const Case kPartsAndForms[] = {
    {"ModuleOutside", [](Damaged& d) { d.part(1).module.offset_bytes = 1u << 30; }, kBadRecord,
     "part 1 of operand 'a.experts': module is bytes"},
    {"ModuleEmpty", [](Damaged& d) { d.part(1).module.size_bytes = 0; }, kBadName,
     "part 1 of operand 'a.experts': module is empty"},
    {"PartReserved", [](Damaged& d) { d.part(1).reserved[0] = 1; }, kNonZeroPadding,
     "part 1 of operand 'a.experts'"},
    {"PartLeavesAHole",
     [](Damaged& d) {
       d.part(1).n0 = 5;
       d.part(1).n_count = 1;
     },
     kBadRecord,
     "part 1 of operand 'a.experts': rows are 5 + 1, expected to start at 4 and end by 6"},
    {"PartsOverlap", [](Damaged& d) { d.part(1).n0 = 3; }, kBadRecord, "rows are 3 + 2"},
    {"PartTooLong", [](Damaged& d) { d.part(1).n_count = ~uint64_t{0}; }, kBadRecord,
     "rows are 4 + 18446744073709551615"},
    {"PartEmpty", [](Damaged& d) { d.part(1).n_count = 0; }, kBadRecord, "rows are 4 + 0"},
    {"PartsTooFew", [](Damaged& d) { d.part(1).n_count = 1; }, kBadRecord,
     "operand 0 'a.experts': its parts cover 5 rows, expected 6"},
    {"MultiplierCount", [](Damaged& d) { d.part(0).multiplier_count = 2; }, kBadRecord,
     "part 0 of operand 'a.experts': has 2 multipliers, expected 0 or one per expert, 3"},
    {"MultipliersOutside", [](Damaged& d) { d.part(0).first_multiplier = 4; }, kBadRecord,
     "its multipliers are scalars 4 + 3 of 6"},
    {"InputScaleCount", [](Damaged& d) { d.part(0).input_scale_count = 1; }, kBadRecord,
     "has 1 input scales, expected 0 or one per expert, 3"},
    {"InputScalesOutside", [](Damaged& d) { d.part(0).first_input_scale = 0xFFFFFFFF; }, kBadRecord,
     "its input scales are scalars 4294967295 + 3 of 6"},
    {"ScalarState", [](Damaged& d) { d.scalar(2).state = 4; }, kBadRecord,
     "scalar 2: state is 4, expected 0 to 3"},
    {"ScalarAbsentBits", [](Damaged& d) { d.scalar(4).bits = 1; }, kBadRecord,
     "scalar 4: is absent, expected bits 0"},
    {"ScalarReserved", [](Damaged& d) { d.scalar(2).reserved[2] = 1; }, kNonZeroPadding,
     "scalar 2"},
    {"NoTarget", [](Damaged& d) { d.form(3).targets = 0; }, kBadRecord,
     "form 3 of operand 'd.head': serves no target"},
    {"FormReserved0", [](Damaged& d) { d.form(3).reserved0 = 1; }, kNonZeroPadding,
     "form 3 of operand 'd.head'"},
    {"FormReserved", [](Damaged& d) { d.form(3).reserved[2] = 1; }, kNonZeroPadding,
     "form 3 of operand 'd.head'"},
    {"PaddedN", [](Damaged& d) { d.form(3).padded_n = 7; }, kBadRecord,
     "form 3 of operand 'd.head': padded_n and padded_k are 7 and 4, expected at least 8 and 4"},
    {"PaddedK", [](Damaged& d) { d.form(3).padded_k = 3; }, kBadRecord, "are 8 and 3"},
    {"NoComponent", [](Damaged& d) { d.form(3).component_count = 0; }, kBadRecord,
     "form 3 of operand 'd.head': has no component"},
    {"FirstComponent", [](Damaged& d) { d.form(3).first_component = 0; }, kBadRecord,
     "form 3 of operand 'd.head': its components are 0 + 1, expected to start at 5"},
    {"ComponentsPastTheEnd", [](Damaged& d) { d.form(4).component_count = 4; }, kBadRecord,
     "form 4 of operand 'd.head': its components are 6 + 4, expected to start at 6 and end by 9"},
    {"ComponentWithoutOwner", [](Damaged& d) { d.form(4).component_count = 2; }, kBadRecord,
     "component 8: belongs to nothing"},
};
INSTANTIATE_TEST_SUITE_P(PartsAndForms, SealedDamage, ::testing::ValuesIn(kPartsAndForms),
                         case_name);

const Case kComponentRecords[] = {
    {"KindZero", [](Damaged& d) { d.component(3).kind = 0; }, kBadRecord,
     "component 3 of operand 'b.norm': kind is 0"},
    {"Flags", [](Damaged& d) { d.component(3).flags |= 2; }, kBadRecord, "flags 3 have an unknown"},
    {"Dtype", [](Damaged& d) { d.component(3).dtype = 23; }, kUnknownDtype,
     "component 3 of operand 'b.norm': dtype 23 is not in the registry"},
    {"Rank", [](Damaged& d) { d.component(3).rank = 9; }, kBadShape, "rank is 9"},
    {"UnusedDim", [](Damaged& d) { d.component(3).dims[1] = 1; }, kBadShape,
     "dims[1] is not 0 though the rank is 1"},
    {"ShapeSmaller", [](Damaged& d) { d.component(3).dims[0] = 7; }, kBadShape,
     "the shape takes 14 bytes, expected size_bytes, 16"},
    {"ShapeOverflows", [](Damaged& d) { d.component(3).dims[0] = uint64_t{1} << 61; }, kBadShape,
     "more than 2^64 bits"},
    {"Size", [](Damaged& d) { --d.component(3).size_bytes; }, kBadShape,
     "the shape takes 16 bytes, expected size_bytes, 15"},
    {"Reserved0", [](Damaged& d) { d.component(3).reserved0 = 1; }, kNonZeroPadding,
     "component 3 of operand 'b.norm'"},
    {"Reserved", [](Damaged& d) { d.component(3).reserved[1] = 1; }, kNonZeroPadding,
     "component 3 of operand 'b.norm'"},
    {"PayloadFile", [](Damaged& d) { d.component(3).payload_file = 1; }, kBadRecord,
     "payload_file is 1, expected less than 1"},
    {"BeforeThePayload", [](Damaged& d) { d.component(0).offset_bytes -= 256; }, kBadRecord,
     "component 0 of operand 'a.experts': bytes"},
    {"PastThePayload", [](Damaged& d) { d.component(7).offset_bytes += 256; }, kBadRecord,
     "component 7 of operand 'd.head': bytes"},
    {"FarAway", [](Damaged& d) { d.component(7).offset_bytes = ~uint64_t{0} - 255; }, kBadRecord,
     "component 7 of operand 'd.head': bytes 18446744073709551360"},
    {"Unaligned", [](Damaged& d) { d.component(3).offset_bytes += 64; }, kBadRecord,
     "is not a multiple of 256"},
    {"Overlap", [](Damaged& d) { d.component(3).offset_bytes = d.component(4).offset_bytes; },
     kOverlap, "overlap those of component 4"},
    {"SameRangeInOneForm",
     [](Damaged& d) {
       d.component(7).offset_bytes = d.component(6).offset_bytes;
       d.component(7).size_bytes = d.component(6).size_bytes;
     },
     kOverlap, "of operand 'd.head'"},
    {"TwoOfAKind", [](Damaged& d) { d.component(1).kind = 1; }, kBadRecord,
     "form 0 of operand 'a.experts': has two components of kind 1"},
    {"StrideForOneExpert", [](Damaged& d) { d.component(3).expert_stride_bytes = 16; }, kBadRecord,
     "has an expert stride, expected 0 for one expert"},
    {"StrideTooSmall", [](Damaged& d) { d.component(0).expert_stride_bytes = 16; }, kBadRecord,
     "has 96 bytes, expected 3 experts of 24 bytes at a stride of 16"},
    {"StrideTooLarge", [](Damaged& d) { d.component(0).expert_stride_bytes = 37; }, kBadRecord,
     "has 96 bytes, expected 3 experts of 24 bytes at a stride of 37"},
    {"StrideOverflows",
     [](Damaged& d) { d.component(0).expert_stride_bytes = (uint64_t{1} << 63) + 16; }, kBadRecord,
     "at a stride of 9223372036854775824"},
    {"StrideOtherExperts", [](Damaged& d) { d.component(0).dims[0] = 2; }, kBadShape,
     "dims[0] is 2, expected the number of experts, 3"},
    {"StrideHalfABytePerExpert",
     [](Damaged& d) {
       d.component(0).dims[1] = 1;
       d.component(0).dims[2] = 1;
     },
     kBadShape, "one expert is not a whole number of bytes"},
    {"ExceptionsOffset", [](Damaged& d) { d.component(2).offset_bytes += 8; }, kBadRecord,
     "component 2 of operand 'a.experts': exceptions are bytes"},
    {"ExceptionsOrder",
     [](Damaged& d) { std::swap(d.component(2).offset_bytes, d.component(8).offset_bytes); },
     kBadRecord, "component 2 of operand 'a.experts': exceptions are bytes"},
    {"ExceptionsTooLong",
     [](Damaged& d) { d.component(2).dims[0] = d.component(2).size_bytes = 25; }, kBadRecord,
     "component 2 of operand 'a.experts': exceptions are bytes"},
    {"ExceptionsElsewhere", [](Damaged& d) { d.component(2).payload_file = 1; }, kBadRecord,
     "holds exceptions, expected payload_file 0 and expert stride 0"},
    {"ChunkOffset", [](Damaged& d) { ++d.chunk(0).offset_bytes; }, kBadRecord, "chunk 0: is bytes"},
    {"ChunkSize", [](Damaged& d) { --d.chunk(1).size_bytes; }, kBadRecord, "chunk 1: is bytes"},
    {"ChunkFile", [](Damaged& d) { d.chunk(1).payload_file = 1; }, kBadRecord,
     "of payload file 1, expected bytes"},
    {"ChunkMissing",
     [](Damaged& d) {
       std::memset(&d.chunk(1), 0, sizeof(ChunkRecord));
       SectionEntry& e = d.entry(kChunks);
       --e.record_count;
       e.stored_bytes = e.raw_bytes = sizeof(ChunkRecord);
     },
     kBadRecord, "chunk 1: is missing, expected bytes"},
};
INSTANTIATE_TEST_SUITE_P(Components, SealedDamage, ::testing::ValuesIn(kComponentRecords),
                         case_name);

/// Writes a name of the same length over the string.
void rename(Damaged& d, StringRef ref, std::string_view name) {
  if (name.size() != ref.size_bytes) throw std::runtime_error("another length");
  d.bytes.replace(d.entry(kStrings).offset_bytes + ref.offset_bytes, name.size(), name);
}

const Case kSources[] = {
    {"FileNameLeavesTheFolder",
     [](Damaged& d) { rename(d, d.source_file(1).name, "../el-2.safetensors"); }, kBadName,
     "source file 1: name '../el-2.safetensors' is not the name of a file in a folder"},
    {"FileNameIsTheFolderAbove",
     [](Damaged& d) {
       d.source_file(1).name.size_bytes = 2;
       d.bytes.replace(d.entry(kStrings).offset_bytes + d.source_file(1).name.offset_bytes, 2,
                       "..");
     },
     kBadName, "source file 1: name '..' is not the name"},
    {"FileNamedTwice", [](Damaged& d) { rename(d, d.source_file(1).name, "model-1.safetensors"); },
     kDuplicateName, "two records of source_files are named 'model-1.safetensors'"},
    {"FileMetadata", [](Damaged& d) { d.source_file(0).metadata.size_bytes = 1u << 30; },
     kBadRecord, "source file 0 'model-1.safetensors': metadata lies outside"},
    {"FirstTensor", [](Damaged& d) { d.source_file(1).first_tensor = 1; }, kBadRecord,
     "source file 1 'model-2.safetensors': its tensors are 1 + 1, expected to start at 2"},
    {"TensorCount", [](Damaged& d) { d.source_file(1).tensor_count = 2; }, kBadRecord,
     "its tensors are 2 + 2, expected to start at 2 and end by 3"},
    {"TensorWithoutFile", [](Damaged& d) { d.source_file(1).tensor_count = 0; }, kBadRecord,
     "source tensor 2: belongs to nothing"},
    {"TensorName", [](Damaged& d) { d.source_tensor(0).name.size_bytes = 0; }, kBadName,
     "source tensor 0: name is empty"},
    {"TensorReserved0", [](Damaged& d) { d.source_tensor(0).reserved0 = 1; }, kNonZeroPadding,
     "source tensor 0 'a.0.gate'"},
    {"TensorReserved", [](Damaged& d) { d.source_tensor(0).reserved[1] = 1; }, kNonZeroPadding,
     "source tensor 0 'a.0.gate'"},
    {"TensorDtype", [](Damaged& d) { d.source_tensor(0).dtype = 0; }, kUnknownDtype,
     "source tensor 0 'a.0.gate': dtype 0"},
    {"TensorRank", [](Damaged& d) { d.source_tensor(0).rank = 9; }, kBadShape, "rank is 9"},
    {"TensorSize", [](Damaged& d) { ++d.source_tensor(0).size_bytes; }, kBadShape,
     "source tensor 0 'a.0.gate': the shape takes 16 bytes, expected size_bytes, 17"},
    {"DispositionZero", [](Damaged& d) { d.source_tensor(0).disposition = 0; }, kBadRecord,
     "disposition is 0, expected 1, 2 or 3"},
    {"DispositionFour", [](Damaged& d) { d.source_tensor(0).disposition = 4; }, kBadRecord,
     "disposition is 4, expected 1, 2 or 3"},
    {"PlaneZero", [](Damaged& d) { d.source_tensor(0).plane = 0; }, kBadRecord, "plane is 0"},
    {"PlaneUnknown", [](Damaged& d) { d.source_tensor(0).plane = 25; }, kBadRecord, "plane is 25"},
    {"OperandOutside", [](Damaged& d) { d.source_tensor(0).operand = 4; }, kBadRecord,
     "operand is 4, expected less than 4"},
    {"PartOutside", [](Damaged& d) { d.source_tensor(0).part = 2; }, kBadRecord,
     "part is 2, expected less than 2"},
    {"ExpertOutside", [](Damaged& d) { d.source_tensor(0).expert = 3; }, kBadRecord,
     "expert is 3, expected less than 3"},
    {"ReasonOutside", [](Damaged& d) { d.source_tensor(1).reason.size_bytes = 1u << 30; },
     kBadRecord, "source tensor 1 'rope': reason is bytes"},
    {"ReasonForConverted",
     [](Damaged& d) { d.source_tensor(0).reason = d.source_tensor(1).reason; }, kBadRecord,
     "source tensor 0 'a.0.gate': has a reason though it is not ignored"},
    {"IgnoredWithoutReason",
     [](Damaged& d) {
       d.source_tensor(1).reason = {0, 0};
     },
     kBadRecord, "source tensor 1 'rope': is ignored, expected a reason"},
    {"IgnoredWithOperand", [](Damaged& d) { d.source_tensor(1).operand = 0; }, kBadRecord,
     "source tensor 1 'rope': is ignored, expected no operand"},
    {"IgnoredWithEncoding", [](Damaged& d) { d.source_tensor(1).encoding = 1; }, kBadRecord,
     "is ignored, expected encoding 0, not 1"},
    {"IgnoredWithDigest", [](Damaged& d) { d.source_tensor(1).digest[9] = 1; }, kBadRecord,
     "source tensor 1 'rope': is ignored, expected a digest of zero"},
    {"SelfHasAName", [](Damaged& d) { d.payload_file(0).name.size_bytes = 1; }, kBadRecord,
     "payload file 0: is this file, expected an empty name"},
    {"SelfHasASize", [](Damaged& d) { d.payload_file(0).size_bytes = 1; }, kBadRecord,
     "payload file 0: is this file"},
    {"CompanionName", [](Damaged& d) { rename(d, d.companion(0).name, "../ab.jsonx"); }, kBadName,
     "companion 0: name '../ab.jsonx' is not the name of a file"},
    {"CompanionTwice", [](Damaged& d) { d.companion(1).name = d.companion(0).name; },
     kDuplicateName, "companion 1 'config.json': a companion has this name already"},
    {"CompanionsUnsorted", [](Damaged& d) { std::swap(d.companion(0).name, d.companion(1).name); },
     kBadRecord, "companion 1 'config.json': stands after a name that sorts after it"},
    {"CompanionOffset", [](Damaged& d) { ++d.companion(1).offset_bytes; }, kBadRecord,
     "companion 1 'tokenizer.json': is bytes"},
    {"CompanionStored", [](Damaged& d) { d.companion(1).stored_bytes = ~uint64_t{0}; }, kBadRecord,
     "companion 1 'tokenizer.json': is bytes"},
    {"CompanionsTooLarge", [](Damaged& d) { d.companion(1).raw_bytes = (64u << 20) - 6; },
     kBadRecord, "companion 1 'tokenizer.json': inflates to 67108858 bytes"},
};
INSTANTIATE_TEST_SUITE_P(Sources, SealedDamage, ::testing::ValuesIn(kSources), case_name);

TEST(PayloadFiles, MustBeginWithThisFile) {
  ArtifactBuilder b = rich_sample();
  b.index.payload_files = {{{0, 0}, 1}};
  EXPECT_THROW(b.bytes(), std::runtime_error);
}

/// Three payload files besides the artifact, named so.
Result<Reader> open_with_files(const std::array<std::string_view, 3>& names) {
  const TempFolder folder;
  ArtifactBuilder b;
  b.index.payload_files.resize(4);
  const char* const sound[] = {"one", "two", "six"};
  for (size_t i = 0; i < 3; ++i) {
    folder.write(sound[i], "");
    b.index.payload_files[i + 1].name = b.index.strings.add(sound[i]);
  }
  Damaged d(b.bytes());
  for (size_t i = 0; i < 3; ++i) rename(d, d.payload_file(i + 1).name, names[i]);
  d.reseal();
  return open_bytes(folder, d.bytes);
}

TEST(PayloadFiles, NamesStayInTheFolderAndDiffer) {
  EXPECT_TRUE(open_with_files({"one", "two", "six"}).ok());
  const auto outside = open_with_files({"one", "two", "../"});
  ASSERT_FALSE(outside.ok());
  EXPECT_EQ(outside.error().kind, kBadName);
  EXPECT_NE(outside.error().message.find("payload file 3: name '../'"), std::string::npos);
  const auto twice = open_with_files({"one", "two", "one"});
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().kind, kDuplicateName);
  EXPECT_EQ(twice.error().message, "two records of payload_files are named 'one'");
}

TEST(ArtifactFile, ThatIsNotThereIsAnIoError) {
  const TempFolder folder;
  const auto opened = Reader::open(folder.path() / "no.imp");
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().kind, kIo);
}

/// Damage that only shows when something is inflated.
class InflateDamage : public ::testing::Test {
 protected:
  Result<Reader> open() {
    damaged_.reseal();
    return open_bytes(folder_, damaged_.bytes);
  }
  void expect_manifest_refused(const std::string& fragment) {
    const auto opened = open();
    ASSERT_TRUE(opened.ok()) << opened.error().to_line();
    const auto manifest = opened->read_manifest();
    ASSERT_FALSE(manifest.ok());
    EXPECT_EQ(manifest.error().kind, kBadSection);
    EXPECT_EQ(manifest.error().message, "section manifest: " + fragment);
  }
  char& manifest_byte(size_t i) {
    return damaged_.bytes[damaged_.entry(kManifest).offset_bytes + i];
  }

  TempFolder folder_;
  Damaged damaged_{sound_bytes()};
};

TEST_F(InflateDamage, ManifestOfAnotherSize) {
  ++damaged_.entry(kManifest).raw_bytes;
  expect_manifest_refused("the zstd frame does not hold the expected 21 bytes");
}

TEST_F(InflateDamage, ManifestAboveTheCap) {
  damaged_.entry(kManifest).raw_bytes = (1u << 30) + 1;
  expect_manifest_refused("inflates to 1073741825 bytes, expected at most 1073741824");
}

TEST_F(InflateDamage, ManifestLargerThanItsFrameCanHold) {
  damaged_.entry(kManifest).raw_bytes = 1u << 30;
  expect_manifest_refused(std::to_string(damaged_.entry(kManifest).stored_bytes) +
                          " bytes cannot inflate to 1073741824");
}

TEST_F(InflateDamage, ManifestThatIsNoFrame) {
  manifest_byte(0) ^= 1;
  expect_manifest_refused("is not one whole zstd frame");
}

TEST_F(InflateDamage, ManifestWithOtherContent) {
  manifest_byte(10) ^= 1;
  expect_manifest_refused("zstd: Restored data doesn't match checksum");
}

TEST_F(InflateDamage, CompanionWithAnotherSha) {
  damaged_.companion(0).sha256[0] ^= 1;
  const auto opened = open();
  ASSERT_TRUE(opened.ok());
  const auto bytes = opened->read_companion(opened->companions()[0]);
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.error().kind, kBadChecksum);
  EXPECT_EQ(bytes.error().message, "companion 'config.json': does not match its SHA-256");
  EXPECT_TRUE(opened->read_companion(opened->companions()[1]).ok());
}

TEST_F(InflateDamage, CompanionOfAnotherSize) {
  --damaged_.companion(1).raw_bytes;
  const auto opened = open();
  ASSERT_TRUE(opened.ok());
  const auto bytes = opened->read_companion(opened->companions()[1]);
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.error().kind, kBadSection);
  EXPECT_EQ(bytes.error().message,
            "companion 'tokenizer.json': the zstd frame does not hold the expected 2999 bytes");
}

}  // namespace
}  // namespace imp::testing
