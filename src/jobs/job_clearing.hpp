#pragma once

#include <boost/asio/awaitable.hpp>

#include "blobs/blob_store.hpp"
#include "core/id.hpp"
#include "db/pool.hpp"

namespace infernode {

// Clears away what ended jobs leave behind, a piece at a time, so that no statement takes long
// whatever the number of segments. It may stop anywhere; the next call goes on. Everything it is
// given must outlive it.
class JobClearing {
public:
  // `keep_seconds`: how long after its end a job keeps its segments.
  JobClearing(db::Pool& database, BlobStore& blobs, int keep_seconds)
      : database_{database}, blobs_{blobs}, keep_seconds_{keep_seconds} {}

  // All that an ended job left besides its result. What images are still found through goes with
  // it, so the job must go next.
  asio::awaitable<void> clear(JobId job);
  // Of jobs that failed or were aborted: no segment is worked on any more, and what they stored may
  // be swept. Returns how many jobs.
  asio::awaitable<int> free_outputs();
  // Deletes the segments of jobs that ended a while ago, unless their images are still found
  // through them (results made before there was an index). Returns how many segments.
  asio::awaitable<std::int64_t> delete_segments();
  // Deletes the segments of a video's ended jobs, so that the video itself goes in one short
  // statement.
  asio::awaitable<void> delete_segments_of(VideoId video);

private:
  asio::awaitable<void> free_outputs_of(JobId job);
  asio::awaitable<std::int64_t> delete_segments_of(JobId job);

  db::Pool& database_;
  BlobStore& blobs_;
  int keep_seconds_;
};

}  // namespace infernode
