#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "blobs/blob_store.hpp"
#include "core/error.hpp"
#include "db/pool.hpp"
#include "jobs/job_service.hpp"
#include "results/exports/export_stream.hpp"
#include "results/frame_query.hpp"
#include "results/image_index.hpp"
#include "results/result.hpp"
#include "results/timeline.hpp"

namespace infernode {

// Results of completed jobs. Everything it is given must outlive it.
class ResultService {
public:
  ResultService(db::Pool& database, JobService& jobs, BlobStore& blobs)
      : database_{database}, jobs_{jobs}, blobs_{blobs} {}

  // In the transaction that completes the job: the result, and what it consists of is adopted.
  void add(db::Transaction& transaction, const NewResult& result, const ResultSizes& sizes);
  // conflict until the job is COMPLETED.
  asio::awaitable<Result<StoredResult>> find(UserId user, JobId job);
  // The annotated image of one frame, a JPEG. not_found for a frame that was not processed.
  asio::awaitable<Result<std::vector<std::byte>>> image(UserId user, JobId job, int frame);
  // The result in another format, in pieces; an empty one is the end.
  std::shared_ptr<ExportStream> export_as(ExportFormat format, const StoredResult& result);
  // The latest results of a dataset's videos, if given of one pipeline, in one file. not_found;
  // conflict where no video has one.
  asio::awaitable<Result<std::shared_ptr<ExportedFile>>> export_dataset(
      UserId user, DatasetId dataset, ExportFormat format, std::optional<std::string> pipeline);
  // The frames that a query wants, in lines.
  asio::awaitable<Result<std::shared_ptr<FrameSelection>>> select_frames(UserId user, JobId job,
                                                                         FrameQuery query);
  asio::awaitable<Result<Timeline>> timeline(UserId user, JobId job, int buckets);
  BlobStore& blobs() const { return blobs_; }

private:
  ExportStream::Source source_of(const StoredResult& result);
  FrameStream::Read reader_of(const StoredResult& result);
  // Where a frame's image lies in the ZIP; nullopt when there is none.
  asio::awaitable<std::optional<IndexedImage>> find_image(StoredResult result, JobId job,
                                                          int frame);
  // Exactly so many bytes. Throws std::runtime_error when there are fewer.
  asio::awaitable<std::vector<std::byte>> read_all(BlobId blob, std::int64_t offset,
                                                   std::size_t bytes);

  db::Pool& database_;
  JobService& jobs_;
  BlobStore& blobs_;
  asio::thread_pool exporting_{1};
};

}  // namespace infernode
