#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "blobs/blob_store.hpp"
#include "credits/credit_service.hpp"
#include "db/pool.hpp"
#include "jobs/assembly.hpp"
#include "jobs/queue_hints.hpp"
#include "jobs/queue_state.hpp"
#include "jobs/segment.hpp"
#include "jobs/worker_info.hpp"

namespace infernode {

// The queue as workers see it. A claim is a lease: it ends unless renewed, and whoever lost it
// changes nothing any more. Everything it is given must outlive it.
class SegmentService {
public:
  // Attempts that the segment itself brought to nothing. What the machines do counts for none.
  static constexpr int kMaxAttempts = 3;
  // Workers that held a segment and never came back; such a one may well be what ends them.
  static constexpr int kMaxLosses = 10;
  // Between two looks at the queue as a whole.
  static constexpr double kTendSeconds = 1;
  // A worker that gives no sign of life is dead after so much silence. It renews its lease each
  // second.
  static constexpr double kDeadSeconds = 2.5;

  SegmentService(db::Pool& database, CreditService& credits, BlobStore& blobs, int lease_seconds)
      : database_{database}, credits_{credits}, blobs_{blobs}, lease_seconds_{lease_seconds} {}

  // The next segment that this worker can work on, fairly between users; nullopt when there is
  // none. Retries and assemblies go first.
  asio::awaitable<std::optional<ClaimedSegment>> claim(WorkerInfo worker);
  // What every process does for the queue all the time: segments whose worker did not come back, or
  // is dead, wait again, users get into the line again, and claims of workers with these offers
  // look where there is something. `next`: in how many seconds to do it again, when the next lease
  // ends or the next retry falls due, or after kTendSeconds. Workers are to be woken for a retry
  // that is due. `look_for_dead`: not when PostgreSQL may have been away a moment ago, as seen by
  // anybody.
  struct Tended {
    std::chrono::duration<double> next{};
    bool retry_is_due = false;
  };
  asio::awaitable<Tended> tend_queue(std::vector<std::string> offers, bool look_for_dead = true);
  // How many segments at once each user may have under way that has no limit of its own. For those
  // who wait already; see JobLimits.
  asio::awaitable<void> set_usual_limit(std::optional<int> limit);
  // See worker_dao::sign_of_life().
  static std::string sign_of_life(WorkerId worker);
  // Heartbeat of a worker that works. False when the lease is lost or the job has ended: stop.
  asio::awaitable<bool> renew(WorkerInfo worker, ClaimedSegment segment, int progress);
  // Heartbeat of a worker that does not; `paused`: why it takes no work.
  asio::awaitable<void> report(WorkerInfo worker, std::optional<std::string> paused);
  asio::awaitable<void> sign_off(WorkerId worker);

  // A finished segment of frames: its outputs are kept and counted. Returns what it earned; nullopt
  // when the lease is lost or the job has ended, and nothing is kept then. May be tried again after
  // Unavailable: what was committed all the same is found, and nullopt says so.
  asio::awaitable<std::optional<Tokens>> complete(ClaimedSegment segment, SegmentOutcome outcome);
  // An attempt that failed: tried again later (after 2 s, then 8 s), or, when it was the last one
  // or another would not help (`permanent`), the job FAILS with `reason` and everything is
  // refunded.
  asio::awaitable<void> fail(ClaimedSegment segment, std::string reason, bool permanent);
  // Gives a segment back as if it had never been claimed; it can be claimed after `delay_seconds`.
  asio::awaitable<void> give_back(ClaimedSegment segment, int delay_seconds);

  // Assembling a result, in the lease of the job's ASSEMBLY segment.

  // What was assembled so far; begins when nothing was. nullopt when the lease is lost.
  asio::awaitable<std::optional<Assembly>> begin_assembly(ClaimedSegment segment);
  // Some finished segments of frames from `position` on, in order: up to `limit`, fewer where their
  // images are many. None when there are no more.
  asio::awaitable<std::vector<FinishedSegment>> list_finished(JobId job, int position, int limit);
  // Where decoding of the job's first frame begins; nullopt: at the video's beginning.
  asio::awaitable<std::optional<media::Keyframe>> find_start(JobId job);
  // One step: the parts of `segments` become those of the assembly's blobs, and `after` is how far
  // it has come then, in one transaction that does not touch the job. False when the lease is lost.
  asio::awaitable<bool> advance_assembly(ClaimedSegment segment,
                                         std::vector<FinishedSegment> segments, Assembly before,
                                         Assembly after);
  // Ends the job with its result, of so many processed images and grams of CO2e. `store` writes the
  // result in the same transaction. Images that were not processed are refunded. False when the
  // lease is lost or the job has ended.
  using StoreResult = std::function<void(db::Transaction&)>;
  asio::awaitable<bool> complete_job(ClaimedSegment segment, int processed, double grams,
                                     StoreResult store);

  // Why workers take no work; nullopt when none says so.
  asio::awaitable<std::optional<std::string>> find_pause();
  asio::awaitable<QueueState> look_at_queue();
  // Forgets workers that were not heard of for a while.
  asio::awaitable<std::int64_t> sweep_workers();

private:
  // Locks the segment until the transaction ends, which fences what it does; false when the lease
  // is lost.
  asio::awaitable<bool> hold(db::Transaction& transaction, const ClaimedSegment& segment);
  asio::awaitable<void> fail_job(ClaimedSegment segment, std::string reason);
  asio::awaitable<bool> release(ClaimedSegment segment, int delay_seconds, bool uncounted,
                                std::optional<std::string> error);
  // Adds what the segment's job says; false when it has ended. The job is RUNNING then.
  asio::awaitable<bool> add_job(ClaimedSegment& segment);

  static constexpr std::size_t kRememberedJobs = 128;

  db::Pool& database_;
  CreditService& credits_;
  BlobStore& blobs_;
  int lease_seconds_;
  QueueHints hints_;
  std::map<boost::uuids::uuid, ClaimedJob> jobs_;  // claimed from lately
};

}  // namespace infernode
