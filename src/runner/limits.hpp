#pragma once

#include <chrono>
#include <cstdint>

namespace infernode::runner {

// What one task may cost and bring. A runner that goes beyond is killed.
struct TaskLimits {
  std::chrono::seconds turns{0};  // of clock time while it is the runner's turn
  double cpu_seconds = 0;         // of processor time, all threads
  std::int64_t read_bytes = 0;    // of its sources, all together
  std::int64_t memory_bytes = 0;  // private memory of the whole process
  std::int64_t frames = 0;        // messages
  std::uint32_t json_bytes = 0;   // of a frame
  std::uint32_t jpeg_bytes = 0;   // of a frame
  std::int64_t crop_bytes = 0;    // of a frame's objects, together
  std::uint32_t outcome_bytes = 0;
  std::int64_t video_bytes = 0;  // of an annotated video, or of all that a ZIP has
};

// What a segment is to its runner.
struct SegmentSize {
  std::int64_t decoded = 0;  // frames that are decoded
  std::int64_t images = 0;   // frames that are worked on
  int width = 0;             // pixels, as shown
  int height = 0;            // pixels, as shown
  bool crops = false;        // objects are cut out
};

TaskLimits probe_limits(std::int64_t video_bytes);
// Unpacking a ZIP into `most_bytes` at most.
TaskLimits unpack_limits(std::int64_t zip_bytes, std::int64_t most_bytes);
// Loading a model and running it on one picture.
TaskLimits model_limits(std::int64_t model_bytes, std::int64_t picture_bytes);
// With so many threads (0: one per core), in a runner that has models of so many bytes.
TaskLimits segment_limits(const SegmentSize& size, std::int64_t video_bytes, int threads,
                          std::int64_t model_bytes);

// Bytes for models of these files, the container's index and so on, and for the pictures of this
// size that are held at once, so that a small video cannot use what a large one needs.
std::int64_t memory_for(std::int64_t pixels, int threads, std::int64_t model_bytes);

// The threads that 0 stands for.
int threads_of(int threads);

}  // namespace infernode::runner
