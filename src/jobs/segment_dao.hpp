#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "db/connection.hpp"
#include "jobs/job.hpp"

// Statements on "Segments", one a function. A lease is what fences them: whoever lost it changes
// nothing any more.
namespace infernode::segment_dao {

namespace asio = boost::asio;

// The job's segments of frames, in order, and its assembly, which waits for them.
asio::awaitable<void> insert(db::Connection& connection, JobId job,
                             std::vector<SegmentPlan> segments);
// Takes the oldest segment that waits or whose lease has ended.
asio::awaitable<std::optional<ClaimedSegment>> claim(db::Connection& connection, LeaseToken lease,
                                                     std::string worker, int lease_seconds);
asio::awaitable<bool> renew_if_leased(db::Connection& connection, std::int64_t id, LeaseToken lease,
                                      int lease_seconds, int progress);
asio::awaitable<bool> complete_if_leased(db::Connection& connection, std::int64_t id,
                                         LeaseToken lease, SegmentOutcome outcome);
// Gives the segment back; it can be claimed after `delay_seconds`. With `uncounted` the attempt did
// not happen.
asio::awaitable<bool> release_if_leased(db::Connection& connection, std::int64_t id,
                                        LeaseToken lease, int delay_seconds, bool uncounted,
                                        std::optional<std::string> error);
asio::awaitable<void> unblock_assembly(db::Connection& connection, JobId job);
// No segment of the job will be worked on any more, and what its segments stored may go.
asio::awaitable<void> cancel_all(db::Connection& connection, JobId job);
asio::awaitable<void> expire_outputs(db::Connection& connection, JobId job);
// Finished segments of frames, in order, without their ZIP indexes.
asio::awaitable<std::vector<FinishedSegment>> list_finished(db::Connection& connection, JobId job);
// The ZIP index of the segment that a frame lies in.
struct IndexPart {
  std::vector<std::byte> zip_index;
  std::int64_t base = 0;  // bytes of images in the segments before
};
asio::awaitable<std::optional<IndexPart>> find_index(db::Connection& connection, JobId job,
                                                     int frame);

}  // namespace infernode::segment_dao
