#include <fmt/format.h>

#include "inference/decoders/boxes.hpp"
#include "inference/decoders/reading.hpp"

namespace infernode::inference {
namespace {

constexpr std::size_t kColumns = 7;  // that there are

// Where each column stands in a row.
std::array<std::size_t, kColumns> places_of(const std::vector<Column>& columns) {
  std::array<std::size_t, kColumns> places{};
  for (std::size_t i = 0; i < columns.size(); ++i) {
    places[static_cast<std::size_t>(columns[i])] = i;
  }
  return places;
}

}  // namespace

std::vector<Candidate> decode_top_k_boxes(const std::vector<Tensor>& outputs,
                                          const DecoderContext& context) {
  const auto& columns = context.options.columns;
  const auto places = places_of(columns);
  const std::size_t width = columns.size() + 3 * context.keypoint_count;
  const Rows rows = rows_of(outputs.at(0), width, fmt::format("[1, N, {}]", width));
  const Scale scale = scale_of(context);
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < rows.count; ++i) {
    const auto row = rows.row(i);
    const auto value = [&](Column column) -> double {
      return row[places[static_cast<std::size_t>(column)]];
    };
    const double score = value(Column::score);
    const double class_number = value(Column::class_number);
    if (!(score >= context.confidence) || !(class_number >= 0)) {
      continue;
    }
    if (class_number >= static_cast<double>(context.label_count)) {
      refuse_class(class_number, context.label_count);
    }
    auto found =
        box_of({static_cast<int>(class_number), score},
               {value(Column::x1), value(Column::y1), value(Column::x2), value(Column::y2)},
               BoxOrder::xyxy, scale);
    const auto point = [&](std::size_t k) -> std::array<double, 3> {
      const auto values = row.subspan(columns.size() + 3 * k, 3);
      return {values[0], values[1], values[2]};
    };
    add_keypoints(found, context.keypoint_count, point, false, scale);
    add_candidate(candidates, context.confidence, found);
  }
  return candidates;
}

}  // namespace infernode::inference
