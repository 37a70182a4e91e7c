#include "results/exports/track_exporter.hpp"

#include <stdexcept>
#include <utility>

namespace infernode {
namespace {

constexpr std::int64_t kBoxesInMemory = 200000;  // some 13 MB
// A runner that was taken over may say anything; a day of a busy street has fewer.
constexpr std::size_t kMostTracks = 200000;

ExportedShape shape_of(const ExportedFrame& frame, const ExportedBox& box) {
  return {frame.index, frame.time, box.confidence, box.x,
          box.y,       box.width,  box.height,     box.interpolated};
}

}  // namespace

std::string TrackExporter::frame(const ExportedFrame& frame) {
  std::string text;
  for (const auto& box : frame.boxes) {
    if (!box.track) {
      if (pass_ == 0) {
        text += write({written_++, box.label, {shape_of(frame, box)}});
      }
      continue;
    }
    auto& collected = tracks_[*box.track];
    if (tracks_.size() > kMostTracks) {
      throw std::runtime_error("stored frames have more tracks than can be");
    }
    if (pass_ == 0) {
      ++collected.boxes;
      collected.track.label = box.label;
    } else if (collected.pass == pass_) {
      collected.track.shapes.push_back(shape_of(frame, box));
    }
  }
  return text;
}

void TrackExporter::choose_passes() {
  std::int64_t boxes = 0;
  for (auto& [id, collected] : tracks_) {
    if (passes_ == 1 || boxes + collected.boxes > kBoxesInMemory) {
      ++passes_;
      boxes = 0;
    }
    boxes += collected.boxes;
    collected.pass = passes_ - 1;
  }
}

Exporter::PassEnd TrackExporter::end_pass() {
  std::string text;
  if (pass_ == 0) {
    choose_passes();
  }
  for (auto& [id, collected] : tracks_) {
    if (!collected.track.shapes.empty()) {
      ExportedTrack track = std::exchange(collected.track, {});
      track.number = written_++;
      text += write(track);
    }
  }
  ++pass_;
  if (pass_ < passes_) {
    return {std::move(text), true};
  }
  return {text + finish(), false};
}

}  // namespace infernode
