#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/tokens.hpp"

namespace infernode {

struct Job {
  JobId id;
  DatasetId dataset;
  UserId user;
  VideoId video;
  std::string status;  // "PENDING", "RUNNING", "FAILED", "ABORTED", "COMPLETED"
  boost::json::value params;
  int images = 0;            // selected frames
  int done = 0;              // processed, segments under way included
  Tokens price;              // per image, as of acceptance
  Tokens cost;               // after refunds
  int carbon_footprint = 0;  // grams of CO2e, rounded
  double energy_joules = 0;
  double carbon_grams = 0;
  std::optional<std::string> error;
  int attempt = 1;
  Timestamp created_at;
  Timestamp updated_at;
  std::optional<Timestamp> started_at;
  std::optional<Timestamp> finished_at;
};

// A run of selected frames: start_frame, start_frame + step, ... below end_frame.
struct SegmentPlan {
  int start_frame = 0;
  int end_frame = 0;
  int images = 0;
};

// A job that is priced and planned, but not accepted yet.
struct NewJob {
  JobId id;
  UserId user;
  VideoId video;
  boost::json::object params;
  int images = 0;
  Tokens price;
  Tokens cost;
  std::vector<SegmentPlan> segments;
};

struct JobFilter {
  std::optional<std::string> status;
  std::optional<DatasetId> dataset;
  std::optional<VideoId> video;
};

enum class SegmentKind { frames, assembly };

// A segment that a worker holds by a lease.
struct ClaimedSegment {
  std::int64_t id = 0;
  LeaseToken lease;
  JobId job;
  UserId user;
  VideoId video;
  SegmentKind kind = SegmentKind::frames;
  int start_frame = 0;
  int end_frame = 0;
  int attempts = 0;  // this one included
  boost::json::value params;
  std::optional<Timestamp> started_at;  // of the job
  int images = 0;                       // of the job
  BlobId file;
  std::int64_t file_bytes = 0;
  std::string file_sha256;  // lower-case hex
  int width = 0;            // pixels
  int height = 0;           // pixels
  double fps = 0;
  int frame_count = 0;
};

// What a finished segment of frames brought.
struct SegmentOutcome {
  int processed = 0;
  int skipped = 0;
  int failed = 0;
  double joules = 0;
  boost::json::object details;  // labels, reasons, seconds, energy method, provider, runtime
  std::optional<BlobId> images;
  std::int64_t images_bytes = 0;
  std::optional<BlobId> frames;
  std::int64_t frames_bytes = 0;
  std::vector<std::byte> zip_index;
};

// A finished segment, as the assembly needs it.
struct FinishedSegment {
  int start_frame = 0;
  int end_frame = 0;
  SegmentOutcome outcome;
};

}  // namespace infernode
