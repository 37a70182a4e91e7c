#include "runner/limits.hpp"

#include <unistd.h>

#include <algorithm>
#include <thread>

#include "media/crop.hpp"
#include "media/media_info.hpp"

namespace infernode::runner {
namespace {

using media::kMaxPixels;

constexpr std::int64_t kMiB = 1024 * 1024;

// Looking into a video takes as long as reading it, twice. Slower than this is no video.
constexpr std::int64_t kProbeSeconds = 60;
constexpr std::int64_t kProbeBytesPerSecond = 8 * kMiB;
// A frame takes well under a second to decode, 8K ones of slow codecs too; a large model on a small
// machine takes a few.
constexpr std::int64_t kTaskSeconds = 300;
constexpr std::int64_t kDecodeSeconds = 2;
constexpr std::int64_t kImageSeconds = 20;
// An honest file is read once or twice, and its index another time.
constexpr std::int64_t kReadings = 4;
constexpr std::int64_t kReadBytes = 64 * kMiB;

constexpr std::int64_t kUnpackBytes = 512 * kMiB;
constexpr std::uint32_t kSmallOutcomeBytes = 64 * 1024;

// A large model takes some seconds to load and to run once.
constexpr std::int64_t kModelSeconds = 60;
constexpr std::int64_t kModelBytesPerSecond = 8 * kMiB;
// The file, what is made of it, and what is optimised of that.
constexpr std::int64_t kModelCopies = 4;

constexpr std::int64_t kBaseBytes =
    2048 * kMiB;  // an index of hours, libraries, what inference sets aside
constexpr std::int64_t kThreadBytes = 256 * kMiB;  // what inference holds for a frame
constexpr std::int64_t kLeastPixels = 1920 * 1088;
// 4:4:4 with more than 8 bits; no stored picture takes more.
constexpr std::int64_t kPixelBytes = 6;
// H.264 and HEVC keep 16 pictures, and some are on their way.
constexpr std::int64_t kHeldPictures = 24;
constexpr std::int64_t kThreadPictures = 4;

// What MP4 and H.264 say of a picture, however small it is.
constexpr std::int64_t kFrameBytes = 16 * 1024;
constexpr std::uint32_t kFrameJsonBytes = 4 * 1024 * 1024;
// What a JPEG has beside its pixels.
constexpr std::int64_t kSmallCropBytes = 16 * 1024;
constexpr std::uint32_t kSmallJpegBytes = 1024 * 1024;

std::int64_t read_limit(std::int64_t video_bytes) {
  return kReadings * video_bytes + kReadBytes;
}

}  // namespace

int threads_of(int threads) {
  return threads > 0 ? threads
                     : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

std::int64_t memory_for(std::int64_t pixels, int threads, std::int64_t model_bytes) {
  const std::int64_t workers = threads_of(threads);
  const std::int64_t wanted = kBaseBytes + workers * kThreadBytes + kModelCopies * model_bytes +
                              std::clamp(pixels, kLeastPixels, kMaxPixels) * kPixelBytes *
                                  (kHeldPictures + workers * kThreadPictures);
  const std::int64_t machine = std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  return machine > 0 ? std::min(wanted, machine) : wanted;
}

TaskLimits probe_limits(std::int64_t video_bytes) {
  TaskLimits limits;
  limits.turns = std::chrono::seconds{kProbeSeconds + video_bytes / kProbeBytesPerSecond};
  limits.cpu_seconds = static_cast<double>(limits.turns.count());
  limits.read_bytes = read_limit(video_bytes);
  // How large its pictures are is not known yet; one of the largest, and what it is made of.
  limits.memory_bytes = kBaseBytes + kMaxPixels * kPixelBytes * kThreadPictures;
  limits.frames = 1;
  limits.json_bytes = 0;
  limits.jpeg_bytes = kSmallJpegBytes;
  limits.outcome_bytes = 32 * 1024 * 1024;  // keyframes of a day
  return limits;
}

TaskLimits unpack_limits(std::int64_t zip_bytes, std::int64_t most_bytes) {
  TaskLimits limits;
  limits.turns =
      std::chrono::seconds{kProbeSeconds + (zip_bytes + most_bytes) / kProbeBytesPerSecond};
  limits.cpu_seconds = static_cast<double>(limits.turns.count());
  limits.read_bytes = read_limit(zip_bytes);
  // Beside what every runner has: the directory, which may have more entries than are taken.
  limits.memory_bytes = kUnpackBytes;
  limits.frames = 1;
  limits.json_bytes = kFrameJsonBytes;
  limits.outcome_bytes = kSmallOutcomeBytes;
  limits.video_bytes = most_bytes;
  return limits;
}

TaskLimits model_limits(std::int64_t model_bytes, std::int64_t picture_bytes) {
  TaskLimits limits;
  limits.turns = std::chrono::seconds{kModelSeconds + model_bytes / kModelBytesPerSecond};
  limits.cpu_seconds = static_cast<double>(limits.turns.count());
  limits.read_bytes = read_limit(model_bytes + picture_bytes);
  limits.memory_bytes = kBaseBytes + kModelCopies * model_bytes + kMaxPixels * kPixelBytes;
  limits.outcome_bytes = kFrameJsonBytes;
  return limits;
}

TaskLimits segment_limits(const SegmentSize& size, std::int64_t video_bytes, int threads,
                          std::int64_t model_bytes) {
  TaskLimits limits;
  const std::int64_t pixels = std::int64_t{size.width} * size.height;
  limits.turns = std::chrono::seconds{kTaskSeconds + size.decoded * kDecodeSeconds +
                                      size.images * kImageSeconds};
  limits.cpu_seconds = static_cast<double>(limits.turns.count()) * threads_of(threads);
  limits.read_bytes = read_limit(video_bytes);
  limits.memory_bytes = memory_for(pixels, threads, model_bytes);
  limits.frames = size.images;
  limits.json_bytes = kFrameJsonBytes;
  // No JPEG is larger than twice its pixels.
  limits.jpeg_bytes =
      static_cast<std::uint32_t>(std::min(pixels, kMaxPixels) * kPixelBytes) + kSmallJpegBytes;
  if (size.crops) {
    limits.crop_bytes = media::kMaxCropFrames * std::int64_t{limits.jpeg_bytes} +
                        std::int64_t{media::kMaxCrops} * kSmallCropBytes;
  }
  limits.outcome_bytes = 8 * 1024 * 1024;  // a summary of 50 zones by hundreds of labels
  // Of constant quality, so it is no larger than its pixels (4:2:0), by far.
  limits.video_bytes = size.images * (pixels * 3 / 2 + kFrameBytes) + kMiB;
  return limits;
}

}  // namespace infernode::runner
