#include "worker/assembler.hpp"

#include <chrono>

#include "core/embedded.hpp"
#include "core/json.hpp"
#include "core/log.hpp"
#include "results/image_index.hpp"
#include "results/result_document.hpp"

namespace infernode {
namespace {

// A part of a blob to be: `bytes` that follow what came before.
struct Part {
  BlobId blob;
  std::int64_t bytes = 0;
};

struct Pieces {
  std::vector<Part> parts;
  std::int64_t bytes = 0;

  void add(const std::optional<BlobId>& blob, std::int64_t size) {
    if (blob && size > 0) {
      parts.push_back(Part{*blob, size});
      bytes += size;
    }
  }
};

// Writes the ZIP's directory, which names every image, behind the images.
asio::awaitable<void> add_directory(AssemblyRooms rooms, JobId job,
                                    const std::vector<FinishedSegment>& segments, Pieces& images) {
  BlobWriter directory{rooms.blobs};
  std::uint64_t entries = 0;
  std::uint64_t base = 0;
  for (const auto& segment : segments) {
    const auto index = co_await rooms.queue.zip_index(job, segment.start_frame);
    for (const auto& image : read_index(index)) {
      auto record = media::zip_directory_record(zip_entry(image, base));
      co_await directory.write(std::move(record));
      ++entries;
    }
    base += static_cast<std::uint64_t>(segment.outcome.images_bytes);
  }
  auto end = media::zip_end(entries, base, static_cast<std::uint64_t>(directory.size()));
  co_await directory.write(std::move(end));
  co_await directory.finish();
  images.add(directory.id(), directory.size());
}

// In the transaction: one blob of all the parts.
asio::awaitable<void> join(BlobStore& blobs, db::Connection& transaction, BlobId whole,
                           const Pieces& pieces) {
  std::int64_t base = 0;
  for (const auto& part : pieces.parts) {
    co_await blobs.splice(transaction, part.blob, whole, base);
    base += part.bytes;
  }
  co_await blobs.adopt(transaction, whole, pieces.bytes, std::nullopt);
}

}  // namespace

asio::awaitable<void> assemble_result(AssemblyRooms rooms, ClaimedSegment segment,
                                      std::string model_sha256, energy::GridIntensity grid) {
  const auto segments = co_await rooms.queue.list_finished(segment.job);
  ResultTotals totals;
  Pieces images;
  Pieces frames;
  for (const auto& finished : segments) {
    const auto& outcome = finished.outcome;
    totals.add(outcome.processed, outcome.skipped, outcome.failed, outcome.joules, outcome.details);
    images.add(outcome.images, outcome.images_bytes);
    frames.add(outcome.frames, outcome.frames_bytes);
  }
  if (totals.processed == 0) {
    co_await rooms.queue.fail(segment, "Not one of the selected frames could be decoded.", true);
    co_return;
  }
  if (!images.parts.empty()) {
    co_await add_directory(rooms, segment.job, segments, images);
  }
  const auto now = std::chrono::system_clock::now();
  ResultFacts facts;
  facts.job_id = segment.job.to_string();
  facts.video_id = segment.video.to_string();
  facts.params = segment.params;
  facts.width = segment.width;
  facts.height = segment.height;
  facts.fps = segment.fps;
  facts.frame_count = segment.frame_count;
  facts.seconds =
      segment.started_at ? std::chrono::duration<double>(now - *segment.started_at).count() : 0;
  facts.model_sha256 = std::move(model_sha256);
  facts.video_sha256 = segment.file_sha256;
  facts.build = std::string{build_version()};
  facts.grid = grid;

  NewResult result;
  result.job = segment.job;
  result.head = json_text(result_head(facts, totals));
  if (!images.parts.empty()) {
    result.images = co_await rooms.blobs.stage();
  }
  if (!frames.parts.empty()) {
    result.frames = co_await rooms.blobs.stage();
  }
  SegmentQueue::Completion completion;
  completion.processed = totals.processed;
  completion.joules = totals.joules;
  completion.grams = energy::grams_of(totals.joules, grid);
  std::function<asio::awaitable<void>(db::Connection&)> store =
      [&](db::Connection& transaction) -> asio::awaitable<void> {
    if (result.images) {
      co_await join(rooms.blobs, transaction, *result.images, images);
    }
    if (result.frames) {
      co_await join(rooms.blobs, transaction, *result.frames, frames);
    }
    co_await rooms.results.add(transaction, result);
  };
  const bool completed = co_await rooms.queue.complete_job(segment, completion, store);
  if (completed) {
    log::info("job {} completed: {} images in {:.1f} s", facts.job_id, totals.processed,
              facts.seconds);
  }
}

}  // namespace infernode
