// Groups whose bits mma64 could not hold, put back into canonical rows.
#pragma once

#include <cstdint>

#include "formats/imp/reader.h"
#include "src/base/file.h"
#include "src/base/result.h"

namespace imp::unpack {

/// Overwrite the groups [first_group, first_group + codes.size() / 8) that have a record in
/// `component`, whose records are sorted by group. Reads those records and the few that a binary
/// search needs, some KiB at a time. Empty `codes`: scales alone. Errors: kBadRecord if the
/// component is no whole number of records; kTruncated, kIo.
Status apply_exceptions(const artifact::Reader& reader, const artifact::ComponentRecord& component,
                        uint64_t first_group, MutableBytes codes, MutableBytes scales);

}  // namespace imp::unpack
