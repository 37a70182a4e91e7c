#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "db/pool.hpp"
#include "jobs/segment.hpp"

// Statements on "Segments", one a function. A lease is what fences them: whoever lost it changes
// nothing any more.
namespace infernode::segment_dao {

namespace asio = boost::asio;

// Each job's segments of frames, in order, and its assembly, which waits for them.
void insert(db::Transaction& transaction, const std::vector<NewSegments>& jobs);
// Takes the oldest segment that waits or whose lease has ended, of a job that has not, and that
// needs nothing but `offers`.
asio::awaitable<std::optional<ClaimedSegment>> claim(db::Executor& executor, LeaseToken lease,
                                                     std::string worker,
                                                     std::vector<std::string> offers,
                                                     int lease_seconds);
// False, too, when the job has ended.
db::Command renew_if_leased(std::int64_t id, LeaseToken lease, int lease_seconds, int progress);
// Nothing when the lease is lost.
db::Command complete_if_leased(std::int64_t id, LeaseToken lease, const SegmentOutcome& outcome);
// Gives the segment back; it can be claimed after `delay_seconds`. With `uncounted` the attempt did
// not happen.
asio::awaitable<bool> release_if_leased(db::Executor& executor, std::int64_t id, LeaseToken lease,
                                        int delay_seconds, bool uncounted,
                                        std::optional<std::string> error);
// Does nothing while the job has segments of frames left; wakes workers when it does.
void unblock_assembly_if_last(db::Transaction& transaction, JobId job);
// What keeps the first segment of a job that waits; nullopt when none waits or one is worked on.
struct FirstWaiting {
  std::vector<std::string> needs;
  bool offered = false;               // some worker that is at work offers all of them
  int seconds = 0;                    // until it can be claimed; 0: now
  std::optional<std::string> error;   // of its last attempt
  std::optional<std::string> paused;  // why workers take no work
};
asio::awaitable<std::optional<FirstWaiting>> find_waiting(db::Executor& executor, JobId job,
                                                          int heartbeat_seconds);
// Up to `limit` finished segments of frames from `position` on, in order.
asio::awaitable<std::vector<FinishedSegment>> list_finished(db::Executor& executor, JobId job,
                                                            int position, int limit);
// Their outputs belong to the assembly from now on.
void forget_outputs(db::Transaction& transaction, JobId job, int from, int to);
// The image index of the segment that a frame lies in, for results made before they had one of
// their own.
struct FormerIndex {
  std::vector<std::byte> image_index;
  std::int64_t base = 0;  // bytes of images in the segments before
};
asio::awaitable<std::optional<FormerIndex>> find_former_index(db::Executor& executor, JobId job,
                                                              int frame);

// In the transaction that ends their jobs: up to `limit` segments are worked on no more. What is
// left of a larger job is cancelled by cancel_some() afterwards.
void cancel(db::Transaction& transaction, const std::vector<JobId>& jobs, int limit);

// Clearing away after an ended job, up to `limit` segments at a time; each returns how many.
asio::awaitable<int> cancel_some(db::Executor& executor, JobId job, int limit);
// The outputs that are returned are nobody's any more.
asio::awaitable<std::vector<BlobId>> take_outputs(db::Executor& executor, JobId job, int limit);
asio::awaitable<int> delete_some(db::Executor& executor, JobId job, int limit);

}  // namespace infernode::segment_dao
