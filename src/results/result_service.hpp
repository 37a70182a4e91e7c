#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "blobs/blob_store.hpp"
#include "core/error.hpp"
#include "jobs/job_service.hpp"
#include "results/result.hpp"
#include "results/result_repository.hpp"

namespace infernode {

// Results of completed jobs. Everything it is given must outlive it.
class ResultService {
public:
  ResultService(ResultRepository& results, JobService& jobs, BlobStore& blobs)
      : results_{results}, jobs_{jobs}, blobs_{blobs} {}

  // In the transaction that completes the job.
  asio::awaitable<void> add(db::Connection& transaction, NewResult result);
  // conflict until the job is COMPLETED.
  asio::awaitable<Result<StoredResult>> find(UserId user, JobId job);
  // The annotated image of one frame, a JPEG. not_found for a frame that was not processed.
  asio::awaitable<Result<std::vector<std::byte>>> image(UserId user, JobId job, int frame);
  BlobStore& blobs() const { return blobs_; }

private:
  ResultRepository& results_;
  JobService& jobs_;
  BlobStore& blobs_;
};

}  // namespace infernode
