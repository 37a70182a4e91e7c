#include "jobs/segment_plan.hpp"

#include <algorithm>

namespace infernode {
namespace {

// What a segment may cost: small enough that a crash loses little, large enough that claiming it is
// free.
constexpr double kSegmentMilliseconds = 2000;
constexpr double kFrameMilliseconds = 1;  // decoding of one frame
// Frames that all segments together may decode a second time, by those that they decode once.
constexpr double kMostAgain = 1.2;

}  // namespace

int count_images(int start_frame, int end_frame, int frame_step) {
  return start_frame >= end_frame ? 0 : (end_frame - start_frame - 1) / frame_step + 1;
}

const media::Keyframe* keyframe_before(const std::vector<media::Keyframe>& keyframes, int frame) {
  const auto after =
      std::upper_bound(keyframes.begin(), keyframes.end(), frame,
                       [](int wanted, const media::Keyframe& key) { return wanted < key.frame; });
  return after == keyframes.begin() ? nullptr : &*std::prev(after);
}

std::vector<SegmentPlan> plan_segments(int start_frame, int end_frame, int frame_step,
                                       const std::vector<media::Keyframe>& keyframes,
                                       double image_milliseconds) {
  std::vector<SegmentPlan> segments;
  const int total = count_images(start_frame, end_frame, frame_step);
  // 64-bit: a step may be as large as an int.
  const std::int64_t step = frame_step;
  const double per_image = image_milliseconds + kFrameMilliseconds * static_cast<double>(step);
  const int usual = std::max(1, static_cast<int>(kSegmentMilliseconds / per_image));
  // What a segment that begins at `frame` decodes only to get there.
  const auto again_at = [&](int frame) -> std::int64_t {
    const auto* key = keyframe_before(keyframes, frame);
    return frame - (key == nullptr ? 0 : key->frame);
  };
  const std::int64_t origin = start_frame - again_at(start_frame);
  std::int64_t again = 0;
  for (int first = 0; first < total;) {
    // A rest of up to one and a half segments is one, rather than one and a crumb.
    int count = 2 * (total - first) <= 3 * usual ? total - first : usual;
    const auto frame_of = [&](int image) {
      return static_cast<int>(std::min<std::int64_t>(start_frame + image * step, end_frame));
    };
    if (first + count < total) {
      // The cut moves to the nearest keyframe that leaves between half and one and a half of it.
      const int wanted = frame_of(first + count);
      const auto* near = keyframe_before(keyframes, wanted);
      const auto cut_at = [&](int frame) {
        return count_images(start_frame, frame, frame_step) - first;
      };
      int best = count;
      int best_distance = usual;
      for (const auto* key = near;
           key != nullptr && key < keyframes.data() + keyframes.size() && key <= near + 1; ++key) {
        const int moved = cut_at(key->frame);
        const int distance = std::abs(moved - count);
        if (2 * moved >= usual && 2 * moved <= 3 * usual && distance < best_distance) {
          best = moved;
          best_distance = distance;
        }
      }
      count = std::min(best, total - first);
      // Where keyframes are rare or not known, segments grow rather than decode the same frames
      // again and again.
      for (;;) {
        const int cut = frame_of(first + count);
        if (first + count >= total || static_cast<double>(again + again_at(cut)) <=
                                          kMostAgain * static_cast<double>(cut - origin)) {
          again += first + count < total ? again_at(cut) : 0;
          break;
        }
        int longer = count + usual;
        const auto* before = keyframe_before(keyframes, cut);
        const auto* next = before == nullptr ? keyframes.data() : before + 1;
        if (next < keyframes.data() + keyframes.size()) {
          longer = std::min(longer, std::max(count + 1, cut_at(next->frame)));
        }
        count = std::min(longer, total - first);
      }
    }
    SegmentPlan segment{frame_of(first), frame_of(first + count), count, std::nullopt};
    if (const auto* key = keyframe_before(keyframes, segment.start_frame)) {
      segment.keyframe = *key;
    }
    segments.push_back(segment);
    first += count;
  }
  return segments;
}

}  // namespace infernode
