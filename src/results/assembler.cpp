#include "results/assembler.hpp"

#include <algorithm>
#include <chrono>

#include "core/json.hpp"
#include "core/log.hpp"
#include "media/zip_writer.hpp"
#include "results/image_index.hpp"

namespace infernode {
namespace {

constexpr int kStepSegments = 250;                  // some tens of milliseconds
constexpr std::int64_t kStepBytes = 1'000'000'000;  // some thousand parts

void add_bytes(std::vector<std::byte>& all, const std::vector<std::byte>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

// Large images make a step of fewer segments.
void shorten(std::vector<FinishedSegment>& step) {
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < step.size(); ++i) {
    bytes += step[i].outcome.images_bytes;
    if (bytes > kStepBytes) {
      step.resize(i + 1);
    }
  }
}

}  // namespace

asio::awaitable<std::int64_t> Assembler::append(BlobId blob, std::int64_t size,
                                                std::vector<std::byte> bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t count = std::min(BlobStore::kChunkBytes, bytes.size() - at);
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    std::vector<std::byte> chunk(begin, begin + static_cast<std::ptrdiff_t>(count));
    co_await blobs_.append(blob, size, std::move(chunk), BlobStore::Life::goes_on);
    size += static_cast<std::int64_t>(count);
    at += count;
  }
  co_return size;
}

asio::awaitable<bool> Assembler::run(ClaimedSegment segment, FormerSegments former,
                                     std::function<bool()> stopping, RunSequence run_sequence) {
  auto begun = co_await segments_.begin_assembly(segment);
  if (!begun) {
    co_return false;
  }
  auto assembly = std::move(*begun);
  auto totals = ResultTotals::from_json(assembly.totals);
  for (;;) {
    if (stopping()) {
      co_return false;
    }
    auto step = co_await segments_.list_finished(segment.job, assembly.position, kStepSegments);
    if (step.empty()) {
      break;
    }
    shorten(step);
    auto after = assembly;
    after.position = step.back().position + 1;
    std::vector<std::byte> directory;
    std::vector<std::byte> index;
    for (const auto& [position, outcome] : step) {
      totals.add(outcome.processed, outcome.skipped, outcome.failed, outcome.details, former.grid,
                 former.model_sha256);
      if (outcome.images_blob) {
        for (auto image : read_index(outcome.image_index)) {
          image.offset += static_cast<std::uint64_t>(after.images_bytes);
          add_bytes(directory, media::zip_directory_record(zip_entry(image, 0)));
          append_to_index(index, image);
          ++after.entries;
        }
        after.images_bytes += outcome.images_bytes;
      }
      after.frames_bytes += outcome.frames_blob ? outcome.frames_bytes : 0;
    }
    after.directory_bytes =
        co_await append(after.directory_blob, after.directory_bytes, std::move(directory));
    after.index_bytes = co_await append(after.index_blob, after.index_bytes, std::move(index));
    after.totals = totals.to_json();
    const bool held = co_await segments_.advance_assembly(segment, step, assembly, after);
    if (!held) {
      co_return false;
    }
    assembly = std::move(after);
  }
  if (auto reason = failure_of(totals, common_params(segment.params).max_failed)) {
    co_await segments_.fail(segment, std::move(*reason), true);
    co_return false;
  }
  const auto pipeline = pipelines_.of(segment.params);
  if (!pipeline) {
    co_await segments_.fail(segment, pipeline.error().detail, true);
    co_return false;
  }
  if (segment.drawn) {
    totals.models.insert(segment.drawn->model_sha256);
  }
  boost::json::object more;
  std::vector<BlobId> replaced;
  std::optional<Video> video;
  if ((*pipeline)->sequence(segment.params)) {
    StoredFrames frames{assembly.frames_blob, assembly.frames_bytes, totals.processed};
    auto running = run_sequence(segment, frames);
    auto outcome = co_await std::move(running);
    totals.add(0, 0, 0, outcome.details, former.grid, former.model_sha256);
    more = std::move(outcome.details.at("summary").as_object());
    replaced = {assembly.frames_blob, assembly.images_blob};
    if (outcome.video_blob) {
      video = Video{std::move(outcome.video_head), *outcome.video_blob, outcome.video_bytes};
    }
    co_await replace(assembly, std::move(outcome));
  }
  auto summary = (*pipeline)->summary(boost::json::value_from(totals.tally).as_object());
  for (auto& [key, value] : more) {
    summary.insert_or_assign(key, std::move(value));
  }
  co_return co_await finish(std::move(segment), std::move(assembly), std::move(totals),
                            std::move(summary), std::move(replaced), std::move(video));
}

asio::awaitable<void> Assembler::replace(Assembly& assembly, SegmentOutcome outcome) {
  std::vector<std::byte> directory;
  for (const auto& image : read_index(outcome.image_index)) {
    add_bytes(directory, media::zip_directory_record(zip_entry(image, 0)));
    ++assembly.entries;
  }
  assembly.directory_bytes =
      co_await append(assembly.directory_blob, assembly.directory_bytes, std::move(directory));
  assembly.index_bytes =
      co_await append(assembly.index_blob, assembly.index_bytes, std::move(outcome.image_index));
  if (outcome.images_blob) {
    assembly.images_blob = *outcome.images_blob;
    assembly.images_bytes = outcome.images_bytes;
  }
  if (outcome.frames_blob) {
    assembly.frames_blob = *outcome.frames_blob;
  }
  assembly.frames_bytes = outcome.frames_bytes;
}

asio::awaitable<bool> Assembler::finish(ClaimedSegment segment, Assembly assembly,
                                        ResultTotals totals, boost::json::object summary,
                                        std::vector<BlobId> replaced, std::optional<Video> video) {
  const bool has_images = assembly.entries > 0;
  std::int64_t directory_bytes = assembly.directory_bytes;
  if (has_images) {
    auto end = media::zip_end(static_cast<std::uint64_t>(assembly.entries),
                              static_cast<std::uint64_t>(assembly.images_bytes),
                              static_cast<std::uint64_t>(directory_bytes));
    directory_bytes = co_await append(assembly.directory_blob, directory_bytes, std::move(end));
  }
  ResultFacts facts;
  facts.job_id = segment.job.to_string();
  facts.video_id = segment.video.to_string();
  facts.params = segment.params;
  facts.width = segment.width;
  facts.height = segment.height;
  facts.fps = segment.fps;
  facts.frame_count = segment.frame_count;
  facts.warnings = segment.warnings;
  if (segment.started_at) {
    const auto now = std::chrono::system_clock::now();
    facts.seconds = std::chrono::duration<double>(now - *segment.started_at).count();
  }
  facts.video_sha256 = segment.file_sha256;
  NewResult result;
  result.job = segment.job;
  result.head = json_text(result_head(facts, totals, std::move(summary)));
  result.frames_blob = assembly.frames_blob;
  if (has_images) {
    result.images_blob = assembly.images_blob;
    result.index_blob = assembly.index_blob;
  }
  std::int64_t video_head_bytes = 0;
  std::int64_t video_bytes = 0;
  if (video) {
    BlobWriter head{blobs_};
    video_head_bytes = static_cast<std::int64_t>(video->head.size());
    video_bytes = video_head_bytes + video->body_bytes;
    co_await head.write(std::move(video->head));
    co_await head.finish();
    result.video_blob = head.id();
  }
  SegmentService::StoreResult store = [&](db::Transaction& transaction) {
    if (result.video_blob) {
      blobs_.splice(transaction, {{video->body, *result.video_blob, video_head_bytes}});
    }
    if (has_images) {
      blobs_.splice(transaction,
                    {{assembly.directory_blob, assembly.images_blob, assembly.images_bytes}});
    }
    blobs_.expire(transaction, replaced);
    results_.add(transaction, result,
                 {assembly.frames_bytes, assembly.images_bytes + directory_bytes,
                  assembly.index_bytes, video_bytes});
  };
  const bool completed =
      co_await segments_.complete_job(segment, totals.processed, totals.grams, store);
  if (completed) {
    log::write(
        log::Level::info,
        fmt::format("the job completed: {} images in {:.1f} s", totals.processed, facts.seconds),
        {{"job", facts.job_id}});
  }
  co_return completed;
}

}  // namespace infernode
