#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "db/pool.hpp"
#include "jobs/queue_hints.hpp"
#include "jobs/segment.hpp"

// Statements on "Segments", one a function. A lease is what fences them: whoever lost it changes
// nothing any more.
namespace infernode::segment_dao {

namespace asio = boost::asio;

// Each job's segments of frames, in order, and its assembly, which waits for them; all of one user,
// who takes a place in the line. `max_running`: segments at once, unless the user has a limit of
// its own; none: any number. Whoever adds work for the same user waits until the transaction ends.
void insert(db::Transaction& transaction, UserId user, int priority, std::optional<int> max_running,
            const std::vector<NewSegments>& jobs);

struct Claim {
  std::optional<ClaimedSegment> segment;  // without its job; none: ask again
  // What it was found by; see QueueHints.
  std::optional<std::int64_t> pass;
  std::optional<Timestamp> urgent_since;
};
// The next segment that needs nothing but `offers`; nullopt: none waits.
asio::awaitable<std::optional<Claim>> claim(db::Executor& executor, LeaseToken lease,
                                            std::string worker, std::vector<std::string> offers,
                                            int lease_seconds, QueueHints hints);
// What a claimed segment's job says; nothing once it has ended.
db::Command find_job(JobId id);
std::optional<ClaimedJob> claimed_job_from(const db::Rows& rows);
// Segments whose lease has ended wait again, up to 1000 of them; wakes workers. So do those whose
// worker, of this version, is dead: silent for `dead_seconds` (0: those are left to their leases).
db::Command recover_lost(double dead_seconds, int lease_seconds, std::string_view version);
// False, too, when the job has ended.
db::Command renew_if_leased(std::int64_t id, LeaseToken lease, int lease_seconds, int progress);
// Nothing when the lease is lost.
db::Command complete_if_leased(std::int64_t id, LeaseToken lease, const SegmentOutcome& outcome);
// Gives the segment back; it can be claimed after `delay_seconds`. With `uncounted` the attempt did
// not happen.
db::Command release_if_leased(std::int64_t id, LeaseToken lease, int delay_seconds, bool uncounted,
                              std::optional<std::string> error);
// Does nothing while the job has segments of frames left; wakes workers when it does.
void unblock_assembly_if_last(db::Transaction& transaction, JobId job);
// What keeps the first segment of a job that waits; nullopt when none waits or one is worked on.
struct FirstWaiting {
  std::vector<std::string> needs;
  bool offered = false;               // some worker that is at work offers all of them
  bool urgent = false;                // goes before whatever is not
  int images = 0;                     // of the segment
  int seconds = 0;                    // until it can be claimed; 0: now
  std::optional<std::string> error;   // of its last attempt
  std::optional<std::string> paused;  // why workers take no work
  std::optional<int> running_limit;   // segments under way that the user has, and may have
  std::int64_t own_ahead = 0;         // images of the user's own jobs that go before
};
asio::awaitable<std::optional<FirstWaiting>> find_waiting(db::Executor& executor, JobId job,
                                                          int heartbeat_seconds);
// Some finished segments of frames from `position` on, in order: up to `limit`, fewer where their
// images are many. None when there are no more.
asio::awaitable<std::vector<FinishedSegment>> list_finished(db::Executor& executor, JobId job,
                                                            int position, int limit);
// Where decoding of the job's first frame begins; nullopt: at the video's beginning.
asio::awaitable<std::optional<media::Keyframe>> find_start(db::Executor& executor, JobId job);
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

// Up to `limit` segments of a job, those with errors first, and how many there are.
struct SegmentStates {
  std::vector<SegmentState> shown;
  std::int64_t count = 0;
};
asio::awaitable<SegmentStates> list_states(db::Executor& executor, JobId job, int limit);

}  // namespace infernode::segment_dao
