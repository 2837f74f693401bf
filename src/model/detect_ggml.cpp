// Views on blocks of GGUF: their type says everything.
#include "src/model/detect_family.h"
#include "src/model/scalars.h"
#include "src/quant/ggml_blocks.h"

namespace imp::model {
namespace {

std::string planes_text(const quant::BlockPlanes& planes) {
  std::string text = std::to_string(planes.code_bits) + "-bit codes, scales" +
                     (planes.has_min ? " and mins" : "") + " per " +
                     std::to_string(planes.group_size);
  if (planes.has_super) text += " under super scales per " + std::to_string(quant::kSuperGroup);
  return text;
}

}  // namespace

Result<WeightForm> detect_ggml(const Siblings& s) {
  const SourceTensor& codes = s.at(Suffix::kWeight);
  const TensorView& view = *codes.view;
  const std::string type(ggml_type_info(view.type).name);
  WeightForm form;
  form.n = view.rows_of_expert();
  form.k = view.columns;
  if (view.field == quant::BlockField::kRows) {
    form.scheme = blocks_scheme(view.type);
    form.why = s.explain({Suffix::kWeight}, type + " blocks, kept as they are");
    return form;
  }
  const quant::BlockPlanes& planes = *quant::block_planes(view.type);
  form.scheme = planes_scheme(view.type);
  form.group_size = planes.group_size;
  form.scale = Suffix::kWeightScale;
  form.why = s.explain({Suffix::kWeight, Suffix::kWeightScale, Suffix::kWeightMin,
                        Suffix::kWeightSuperScale, Suffix::kWeightSuperMin},
                       type + " blocks: " + planes_text(planes));
  return form;
}

}  // namespace imp::model
