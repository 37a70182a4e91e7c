#include "results/result_service.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/blocking.hpp"
#include "pipelines/pipeline.hpp"
#include "results/exports/zipped_exports.hpp"
#include "results/result_dao.hpp"

namespace infernode {

void ResultService::add(db::Transaction& transaction, const NewResult& result,
                        const ResultSizes& sizes) {
  for (const auto& [blob, bytes] : {std::pair{result.frames_blob, sizes.frames},
                                    {result.images_blob, sizes.images},
                                    {result.index_blob, sizes.index},
                                    {result.video_blob, sizes.video}}) {
    if (blob) {
      blobs_.adopt(transaction, *blob, bytes, std::nullopt);
    }
  }
  result_dao::insert(transaction, result);
}

asio::awaitable<Result<StoredResult>> ResultService::find(UserId user, JobId job) {
  auto result = co_await result_dao::find(database_, user, job);
  if (result) {
    co_return std::move(*result);
  }
  const auto found = co_await jobs_.find(user, job);
  if (!found) {
    co_return found.error();
  }
  co_return Error{ErrorCode::conflict, "The job has no result: its status is " +
                                           std::string{to_text(found->status)} + "."};
}

FrameStream::Read ResultService::reader_of(const StoredResult& result) {
  return
      [this, blob = result.frames_blob](
          std::int64_t offset, std::size_t max_bytes) -> asio::awaitable<std::vector<std::byte>> {
        if (!blob) {
          co_return std::vector<std::byte>{};
        }
        co_return co_await blobs_.read(*blob, offset, max_bytes);
      };
}

ExportStream::Source ResultService::source_of(const StoredResult& result) {
  return {ExportFacts::of(boost::json::parse(result.head).as_object()), reader_of(result)};
}

asio::awaitable<Result<std::shared_ptr<FrameSelection>>> ResultService::select_frames(
    UserId user, JobId job, FrameQuery query) {
  const auto result = co_await find(user, job);
  if (!result) {
    co_return result.error();
  }
  auto read = reader_of(*result);
  const auto begin = co_await find_frame(read, result->frames_bytes, query.from);
  co_return std::make_shared<FrameSelection>(std::move(read), begin, result->frames_bytes,
                                             std::move(query), exporting_);
}

asio::awaitable<Result<Timeline>> ResultService::timeline(UserId user, JobId job, int buckets) {
  const auto result = co_await find(user, job);
  if (!result) {
    co_return result.error();
  }
  const auto head = boost::json::parse(result->head);
  const auto frames = head.at_pointer("/accounting/processed").to_number<int>();
  auto read = reader_of(*result);
  co_return co_await read_timeline(std::move(read), result->frames_bytes, frames, buckets,
                                   exporting_);
}

std::shared_ptr<ExportStream> ResultService::export_as(ExportFormat format,
                                                       const StoredResult& result) {
  auto source = source_of(result);
  auto exporter = make_exporter(format, source.facts);
  auto open = ExportStream::opening(std::move(source));
  return std::make_shared<ExportStream>(std::move(exporter), std::move(open), exporting_);
}

asio::awaitable<Result<std::shared_ptr<ExportedFile>>> ResultService::export_dataset(
    UserId user, DatasetId dataset, ExportFormat format, std::optional<std::string> pipeline) {
  const auto name = co_await result_dao::dataset_name(database_, user, dataset);
  if (!name) {
    co_return Error{ErrorCode::not_found, "There is no such dataset."};
  }
  auto latest = co_await result_dao::latest(database_, user, dataset, std::move(pipeline));
  if (latest.empty()) {
    co_return Error{ErrorCode::conflict,
                    "No video of this dataset has a result yet; run a job on it first."};
  }
  auto labels = co_await result_dao::labels(database_, latest);
  std::sort(labels.begin(), labels.end());
  ExportStream::Open open =
      [this, user, latest = std::move(latest)](
          std::size_t number) -> asio::awaitable<std::optional<ExportStream::Source>> {
    if (number >= latest.size()) {
      co_return std::nullopt;
    }
    const auto result = co_await result_dao::find(database_, user, latest[number].job);
    if (!result) {
      throw std::runtime_error("a result was deleted while it was exported");
    }
    auto reading = [this, head = result->head, frames = result->frames_blob] {
      StoredResult stored;
      stored.head = head;
      stored.frames_blob = frames;
      return source_of(stored);
    };
    auto source = co_await run_blocking(exporting_, std::move(reading));
    source.facts.video_name = latest[number].video_name;
    co_return source;
  };
  if (!holds_datasets(format)) {
    co_return std::make_shared<ZippedExports>(format, std::move(open), exporting_);
  }
  auto exporter = make_dataset_exporter(format, {*name, std::move(labels)});
  co_return std::make_shared<ExportStream>(std::move(exporter), std::move(open), exporting_);
}

asio::awaitable<std::vector<std::byte>> ResultService::read_all(BlobId blob, std::int64_t offset,
                                                                std::size_t bytes) {
  std::vector<std::byte> all;
  while (all.size() < bytes) {
    const auto piece = co_await blobs_.read(blob, offset + static_cast<std::int64_t>(all.size()),
                                            bytes - all.size());
    if (piece.empty()) {
      throw std::runtime_error("stored content is shorter than its index says");
    }
    all.insert(all.end(), piece.begin(), piece.end());
  }
  co_return all;
}

// Where a frame's entry is when every selected frame before it has an image; further on it never
// is.
std::int64_t guess_entry(const std::string& head, int frame) {
  const auto document = boost::json::parse(head);
  const auto common = common_params(document.at("params").as_object());
  return (std::int64_t{frame} - common.start_frame) / common.frame_step;
}

// The index is sorted by frame. The first look is where the entry is unless many frames have none;
// then halves of what is left, so that it takes few looks whatever the length.
asio::awaitable<std::optional<IndexedImage>> ResultService::find_image(StoredResult result,
                                                                       JobId job, int frame) {
  if (!result.index_blob) {
    const auto part = co_await jobs_.find_former_index(job, frame);
    const auto images = part ? read_index(part->image_index) : std::vector<IndexedImage>{};
    const auto found = std::find_if(images.begin(), images.end(), [&](const auto& image) {
      return image.frame == frame && !image.object;
    });
    if (found == images.end()) {
      co_return std::nullopt;
    }
    auto image = *found;
    image.offset += static_cast<std::uint64_t>(part->base);
    co_return image;
  }
  constexpr std::int64_t kWindow = 256;  // entries (5 KiB) that are read together
  std::int64_t first = 0;
  std::int64_t last = result.index_bytes / static_cast<std::int64_t>(kIndexEntryBytes);
  std::optional<std::int64_t> guess = guess_entry(result.head, frame);
  while (first < last) {
    // The middle of what is left, or all of it once that is little.
    const std::int64_t count = std::min(kWindow, last - first);
    std::int64_t begin = last - first <= kWindow ? first : first + (last - first - count) / 2;
    if (guess) {
      begin = std::clamp(*guess - count + 1, first, last - count);
      guess.reset();
    }
    const auto bytes =
        co_await read_all(*result.index_blob, begin * static_cast<std::int64_t>(kIndexEntryBytes),
                          static_cast<std::size_t>(count) * kIndexEntryBytes);
    const auto images = read_index(bytes);
    const auto found = std::lower_bound(
        images.begin(), images.end(), frame,
        [](const IndexedImage& image, int wanted) { return image.frame < wanted; });
    if (found != images.end() && found->frame == frame && !found->object) {
      co_return *found;
    }
    if (found == images.begin()) {
      last = begin;
    } else if (found == images.end()) {
      first = begin + count;
    } else {
      co_return std::nullopt;
    }
  }
  co_return std::nullopt;
}

asio::awaitable<Result<std::vector<std::byte>>> ResultService::image(UserId user, JobId job,
                                                                     int frame) {
  const auto result = co_await find(user, job);
  if (!result) {
    co_return result.error();
  }
  const Error absent{ErrorCode::not_found, "There is no image of this frame."};
  if (!result->images_blob) {
    co_return absent;
  }
  const auto found = co_await find_image(*result, job, frame);
  if (!found) {
    co_return absent;
  }
  const auto entry = zip_entry(*found, 0);
  co_return co_await read_all(
      *result->images_blob, static_cast<std::int64_t>(entry.offset + media::zip_header_size(entry)),
      entry.size);
}

}  // namespace infernode
