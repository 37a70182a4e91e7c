#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/words.hpp"
#include "jobs/job.hpp"
#include "media/media_info.hpp"

namespace infernode {

enum class SegmentKind { frames, assembly };
template <>
struct Words<SegmentKind> {
  static constexpr std::pair<SegmentKind, std::string_view> all[]{
      {SegmentKind::frames, "FRAMES"}, {SegmentKind::assembly, "ASSEMBLY"}};
};

// A run of selected frames: start_frame, start_frame + step, ... below end_frame.
struct SegmentPlan {
  int start_frame = 0;
  int end_frame = 0;
  int image_count = 0;
  std::optional<media::Keyframe> keyframe;  // where decoding starts; none: at the beginning
};

// The segments of one job that is being accepted.
struct NewSegments {
  JobId job;
  std::vector<std::string> needs;  // what a worker must offer; the assembly needs the first alone
  std::vector<SegmentPlan> segments;
};

// What another job found, to be drawn again.
struct DrawnFrames {
  BlobId frames;
  std::int64_t frames_bytes = 0;
  std::string model_sha256;
};

// What a worker must know of the job of a segment. All but `started_at` and `drawn` stays as it is.
struct ClaimedJob {
  UserId user;
  VideoId video;
  boost::json::object params;
  std::optional<Timestamp> started_at;
  int image_count = 0;
  BlobId file;
  std::int64_t file_bytes = 0;
  std::string file_sha256;  // lower-case hex
  int width = 0;            // pixels
  int height = 0;           // pixels
  double fps = 0;
  int frame_count = 0;
  std::vector<std::string> warnings;  // of the video
  std::optional<DrawnFrames> drawn;   // of a job that draws again; none once that one was deleted
};

// A segment that a worker holds by a lease, with all that it takes to work on it.
struct ClaimedSegment : ClaimedJob {
  std::int64_t id = 0;
  LeaseToken lease;
  JobId job;
  SegmentKind kind = SegmentKind::frames;
  SegmentPlan plan;
  int attempts = 0;  // this one included
  int losses = 0;    // workers that held it and never came back
};

// What a finished segment of frames brought.
struct SegmentOutcome {
  int processed = 0;
  int skipped = 0;
  int failed = 0;
  double joules = 0;
  double grams = 0;             // of CO2e
  boost::json::object details;  // see SegmentTotals
  std::optional<BlobId> images_blob;
  std::int64_t images_bytes = 0;
  std::optional<BlobId> frames_blob;
  std::int64_t frames_bytes = 0;
  std::vector<std::byte> image_index;
  // An annotated video without its first bytes, and those.
  std::optional<BlobId> video_blob;
  std::int64_t video_bytes = 0;
  std::vector<std::byte> video_head;
};

// A segment as administrators see it.
struct SegmentState {
  int position = 0;
  SegmentKind kind = SegmentKind::frames;
  std::string state;  // BLOCKED, PENDING, LEASED, DONE or CANCELLED
  int start_frame = 0;
  int end_frame = 0;
  int image_count = 0;
  int processed = 0;
  int attempts = 0;
  int losses = 0;
  std::optional<std::string> worker;
  std::optional<std::string> error;  // of the last attempt that failed
};

// A finished segment, as the assembly needs it.
struct FinishedSegment {
  int position = 0;
  SegmentOutcome outcome;
};

}  // namespace infernode
