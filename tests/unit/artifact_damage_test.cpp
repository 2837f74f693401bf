// Damage without choosing its place: every byte, every length, every write, and random changes.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <stdexcept>

#include "tests/unit/artifact_sample.h"
#include "tests/unit/artifact_touch.h"
#include "tests/unit/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace imp::testing {
namespace {

using namespace artifact;

/// A nameless file in memory that is changed in place.
class InPlace {
 public:
  explicit InPlace(const std::string& bytes) : fd_(::memfd_create("artifact", MFD_CLOEXEC)) {
    put(0, bytes);
  }
  ~InPlace() { ::close(fd_); }
  InPlace(const InPlace&) = delete;
  InPlace& operator=(const InPlace&) = delete;

  void put(size_t at, std::string_view bytes) {
    if (::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at)) !=
        static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error("cannot write to memory");
  }
  void cut(size_t size_bytes) { ASSERT_EQ(::ftruncate(fd_, static_cast<off_t>(size_bytes)), 0); }

  Result<Reader> open() const { return Reader::open("/proc/self/fd/" + std::to_string(fd_)); }
  /// Structure and content as verify sees them.
  Status judge() const {
    const auto opened = open();
    if (!opened.ok()) return opened.error();
    return read_everything(*opened);
  }

 private:
  int fd_;
};

TEST(Damage, EveryByteIsCovered) {
  const std::string bytes = rich_sample().bytes();
  InPlace file(bytes);
  ASSERT_TRUE(file.judge().ok());
  for (size_t at = 0; at < bytes.size(); ++at) {
    // One bit, another one for each byte.
    const char damaged = static_cast<char>(bytes[at] ^ 1 << at % 8);
    file.put(at, {&damaged, 1});
    ASSERT_FALSE(file.judge().ok()) << "byte " << at << " of " << bytes.size();
    file.put(at, {&bytes[at], 1});
  }
  EXPECT_TRUE(file.judge().ok());
}

TEST(Damage, EveryTruncationIsRefusedAtOpen) {
  const std::string bytes = rich_sample().bytes();
  InPlace file(bytes);
  for (size_t size = bytes.size(); size-- > 0;) {
    file.cut(size);
    const Status status = file.judge();
    ASSERT_FALSE(status.ok()) << size;
    ASSERT_EQ(status.error().kind, ErrorKind::kTruncated) << size;
  }
}

TEST(Damage, EveryFailingWriteEndsWithoutACommit) {
  const ArtifactBuilder sample = rich_sample();
  uint64_t n = 1;
  for (;; ++n) {
    FailingFile file(n);
    const auto result = sample.write(file);
    if (result.ok()) {
      EXPECT_TRUE(file.committed());
      EXPECT_EQ(file.calls(), n - 1);
      break;
    }
    ASSERT_EQ(result.error().kind, ErrorKind::kNoSpace) << n;
    ASSERT_FALSE(file.committed()) << n;
  }
  // Header, section table, twelve sections that are not empty, seven pieces of payload and
  // exceptions.
  EXPECT_GT(n, 20u);
}

TEST(Damage, FailingExceptionsEndWithoutACommit) {
  class Broken : public ArtifactBuilder {
   public:
    explicit Broken(const ArtifactBuilder& sample) : ArtifactBuilder(sample) {}
    Status read(uint32_t, const std::function<Status(Bytes)>&) const override {
      return Error{ErrorKind::kIo, "cannot read", "", ""};
    }
  };
  MemoryFile file;
  const auto result = Broken(rich_sample()).write(file);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kIo);
  EXPECT_FALSE(file.committed());
}

TEST(Damage, ExceptionsOfAnotherLengthEndWithoutACommit) {
  class Short : public ArtifactBuilder {
   public:
    explicit Short(const ArtifactBuilder& sample) : ArtifactBuilder(sample) {}
    Status read(uint32_t, const std::function<Status(Bytes)>& sink) const override {
      return sink(Bytes());
    }
  };
  MemoryFile file;
  const auto result = Short(rich_sample()).write(file);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kInternal);
  EXPECT_EQ(result.error().message, "exceptions of component 2 are not as long as said");
  EXPECT_FALSE(file.committed());
}

void replay(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

TEST(ArtifactFuzzReplay, Seeds) {
  replay("");
  replay(std::string(255, '\0'));
  replay(std::string(5000, '\xFF'));
  const std::string bytes = rich_sample().bytes();
  replay(bytes);
  for (const size_t size : {12u, 256u, 300u, 1216u, 4096u}) replay(bytes.substr(0, size));
}

/// What a fuzzer does, with a fixed seed: change a few index bytes, make the checksums right, open.
/// A sanitizer watches; whatever opens must be safe to use.
TEST(ArtifactFuzzReplay, RandomRecordsNeverReachOutside) {
  const Damaged sound(rich_sample().bytes());
  const uint64_t index_end = Damaged(sound).entry(SectionType::kPayload).offset_bytes;
  constexpr uint64_t kEdges[] = {0,    1,          7,          255,        256,
                                 4096, 0x7FFFFFFF, 0xFFFFFFFF, 1ull << 63, ~uint64_t{0}};
  InPlace file(sound.bytes);
  std::mt19937_64 random(20250101);
  int opened_count = 0;
  for (int round = 0; round < 20000; ++round) {
    Damaged damaged = sound;
    for (uint64_t changes = random() % 3 + 1; changes > 0; --changes) {
      const size_t at = sizeof(FileHeader) + random() % (index_end - sizeof(FileHeader) - 8);
      const uint64_t value = random() % 2 ? kEdges[random() % std::size(kEdges)] : random();
      std::memcpy(damaged.bytes.data() + at, &value, size_t{1} << random() % 4);
    }
    damaged.reseal();
    file.put(0, damaged.bytes);
    const auto opened = file.open();
    if (!opened.ok()) continue;
    ++opened_count;
    touch(*opened);
  }
  EXPECT_GT(opened_count, 10);
}

}  // namespace
}  // namespace imp::testing
