#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "blobs/blob_store.hpp"
#include "energy/grid.hpp"
#include "jobs/segment_queue.hpp"
#include "results/result_service.hpp"

namespace infernode {

struct AssemblyRooms {
  SegmentQueue& queue;
  ResultService& results;
  BlobStore& blobs;
};

// Makes a job's result of what its segments stored, and ends the job. The images and frames are not
// copied: their chunks become parts of the ZIP and of the document, and only the ZIP's directory is
// written anew. Memory does not grow with the video, but for a few bytes a segment.
asio::awaitable<void> assemble_result(AssemblyRooms rooms, ClaimedSegment segment,
                                      std::string model_sha256, energy::GridIntensity grid);

}  // namespace infernode
