#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>

#include "blobs/blob_store.hpp"
#include "energy/grid.hpp"
#include "jobs/segment_service.hpp"
#include "pipelines/pipeline.hpp"
#include "results/result_document.hpp"
#include "results/result_service.hpp"

namespace infernode {

// What stands in for what segments finished by an older version did not record.
struct FormerSegments {
  energy::GridIntensity grid;
  std::string model_sha256;
};

// What all segments of a job stored, for what goes through it in order.
struct StoredFrames {
  BlobId blob;
  std::int64_t bytes = 0;
  int count = 0;
};

// Goes through a job's frames in order (Pipeline::sequence), and returns what came of it as a
// segment that has them all. Throws what keeps it from that.
using RunSequence =
    std::function<asio::awaitable<SegmentOutcome>(ClaimedSegment segment, StoredFrames frames)>;

// Makes a job's result of what its segments stored, and ends the job. The images and frames are not
// copied: their parts become parts of the ZIP and of the document, and only the ZIP's directory and
// the index of its images are written anew. It works in steps of some hundred segments, each in a
// transaction of its own that does not touch the job, so it may end anywhere, and whoever claims
// the ASSEMBLY segment next goes on. What needs frames in order follows in the end, in one go, and
// begins anew with whoever claims the segment next. Memory does not grow with the number of
// segments. Everything it is given must outlive it.
class Assembler {
public:
  Assembler(SegmentService& segments, ResultService& results, BlobStore& blobs,
            const PipelineCatalogue& pipelines)
      : segments_{segments}, results_{results}, blobs_{blobs}, pipelines_{pipelines} {}

  // False when it ended before the result was there: the lease was lost or the job has ended, or
  // `stopping` said so between two steps. Throws what `run_sequence` throws.
  asio::awaitable<bool> run(ClaimedSegment segment, FormerSegments former,
                            std::function<bool()> stopping, RunSequence run_sequence);

private:
  // An annotated video: its first bytes, and the rest as `body`.
  struct Video {
    std::vector<std::byte> head;
    BlobId body;
    std::int64_t body_bytes = 0;
  };
  // Appends to a staged blob in chunks; returns its new size.
  asio::awaitable<std::int64_t> append(BlobId blob, std::int64_t size,
                                       std::vector<std::byte> bytes);
  asio::awaitable<bool> finish(ClaimedSegment segment, Assembly assembly, ResultTotals totals,
                               boost::json::object summary, std::vector<BlobId> replaced,
                               std::optional<Video> video);
  // The images and frames of `outcome` take the place of what the segments stored.
  asio::awaitable<void> replace(Assembly& assembly, SegmentOutcome outcome);

  SegmentService& segments_;
  ResultService& results_;
  BlobStore& blobs_;
  const PipelineCatalogue& pipelines_;
};

}  // namespace infernode
