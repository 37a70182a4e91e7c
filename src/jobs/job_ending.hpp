#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "credits/credit_service.hpp"
#include "db/pool.hpp"
#include "jobs/job.hpp"

namespace infernode {

// How jobs end.
struct JobEnd {
  JobStatus status = JobStatus::aborted;  // completed, failed or aborted
  std::optional<std::string> error{};     // of a job that failed
  // Why tokens go back, in their ledger entries: "12 images not processed" when not given.
  std::optional<std::string> refund_note{};
};

struct EndedJobs {
  std::vector<JobId> jobs;
  Tokens refunded;  // in all
};

// The only way in which a job ends, in the caller's transaction: locks, status, hold, refund. A job
// that failed gives back its whole price, every other what was not processed. Of `jobs` those that
// have not ended yet end; returns them. The number of round trips does not depend on how many
// there are, and the time that the jobs are locked not on how many segments they have: JobClearing
// frees what the segments stored afterwards.
asio::awaitable<EndedJobs> end_jobs(db::Transaction& transaction, CreditService& credits,
                                    std::vector<JobId> jobs, JobEnd end);

}  // namespace infernode
