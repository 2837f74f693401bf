#include "formats/imp/zstd_frame.h"

#include <zstd.h>

#include <memory>
#include <new>

namespace imp::artifact {
namespace {

constexpr int kLevel = 9;
/// RFC 8878 3.1.1.2: a block takes at least 4 bytes of the frame and holds at most 128 KiB.
constexpr uint64_t kMaxRatio = (128u << 10) / 4;

Error bad_frame(std::string what) { return Error{ErrorKind::kBadSection, std::move(what), "", ""}; }

}  // namespace

Result<std::string> deflate_frame(Bytes raw) {
  const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(),
                                                                   ZSTD_freeCCtx);
  if (context == nullptr) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, 1);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string frame(ZSTD_compressBound(raw.size()), '\0');
  const size_t size =
      ZSTD_compress2(context.get(), frame.data(), frame.size(), raw.data(), raw.size());
  if (ZSTD_isError(size))
    return Error{ErrorKind::kInternal, std::string("zstd: ") + ZSTD_getErrorName(size), "", ""};
  frame.resize(size);
  return frame;
}

Result<std::string> inflate_frame(Bytes frame, uint64_t raw_bytes, uint64_t cap_bytes) {
  if (raw_bytes > cap_bytes)
    return bad_frame("inflates to " + std::to_string(raw_bytes) + " bytes, expected at most " +
                     std::to_string(cap_bytes));
  if (raw_bytes / kMaxRatio > frame.size())
    return bad_frame(std::to_string(frame.size()) + " bytes cannot inflate to " +
                     std::to_string(raw_bytes));
  if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size())
    return bad_frame("is not one whole zstd frame");
  const unsigned long long said = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (said != raw_bytes)
    return bad_frame("the zstd frame does not hold the expected " + std::to_string(raw_bytes) +
                     " bytes");
  std::string raw(raw_bytes, '\0');
  const size_t size = ZSTD_decompress(raw.data(), raw.size(), frame.data(), frame.size());
  if (ZSTD_isError(size)) return bad_frame(std::string("zstd: ") + ZSTD_getErrorName(size));
  if (size != raw_bytes)
    return bad_frame("inflates to " + std::to_string(size) + " bytes, expected " +
                     std::to_string(raw_bytes));
  return raw;
}

}  // namespace imp::artifact
