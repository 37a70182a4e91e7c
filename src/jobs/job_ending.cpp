#include "jobs/job_ending.hpp"

#include <algorithm>

#include "jobs/job_dao.hpp"
#include "jobs/segment_dao.hpp"

namespace infernode {
namespace {

constexpr int kSegmentsAtOnce = 1000;  // some tens of milliseconds, in which the jobs are locked

}  // namespace

asio::awaitable<EndedJobs> end_jobs(db::Transaction& transaction, CreditService& credits,
                                    std::vector<JobId> jobs, JobEnd end) {
  const auto open = co_await job_dao::lock_open(transaction, std::move(jobs));
  EndedJobs ended;
  for (const auto& job : open) {
    ended.jobs.push_back(job.id);
  }
  if (ended.jobs.empty()) {
    co_return ended;
  }
  segment_dao::cancel(transaction, ended.jobs, kSegmentsAtOnce);
  const auto holds =
      co_await credits.close_holds(transaction, ended.jobs, end.status == JobStatus::failed);
  std::vector<job_dao::Ending> endings;
  std::vector<Refund> refunds;
  for (const auto& hold : holds) {
    const auto job = std::find_if(open.begin(), open.end(),
                                  [&](const auto& each) { return each.id == hold.job; });
    ended.refunded = ended.refunded + hold.released;
    endings.push_back(job_dao::Ending{hold.job, hold.settled});
    refunds.push_back(Refund{hold.user, hold.job, job->video, hold.released,
                             end.refund_note.value_or(std::to_string(job->image_count - job->done) +
                                                      " images not processed")});
  }
  job_dao::finish(transaction, endings, end.status, std::move(end.error));
  credits.refund(transaction, std::move(refunds));
  co_return ended;
}

}  // namespace infernode
