#include "credits/hold_dao.hpp"

#include <stdexcept>

namespace infernode::hold_dao {
namespace {

using db::Statement;

constexpr Statement kInsert{"holds.insert", R"sql(
  INSERT INTO "Holds" ("job_id", "user_id", "held")
  SELECT job_id, $1::uuid, amount FROM unnest($2::uuid[], $3::numeric[]) AS hold (job_id, amount)
)sql"};
constexpr Statement kSettle{"holds.settle", R"sql(
  UPDATE "Holds" SET "settled" = "settled" + $2 WHERE "job_id" = $1 AND "closed_at" IS NULL
)sql"};
// By job, as everybody locks them.
constexpr Statement kClose{"holds.close", R"sql(
  WITH open AS (
    SELECT "job_id" FROM "Holds" WHERE "job_id" = ANY ($1::uuid[]) AND "closed_at" IS NULL
     ORDER BY "job_id" FOR UPDATE)
  UPDATE "Holds" AS hold
     SET "settled" = CASE WHEN $2::boolean THEN 0 ELSE "settled" END,
         "released" = "held" - CASE WHEN $2::boolean THEN 0 ELSE "settled" END,
         "closed_at" = now()
    FROM open WHERE hold."job_id" = open."job_id"
  RETURNING hold."job_id", "user_id", "settled", "released"
)sql"};

constexpr Statement kSumOpen{"holds.sum_open", R"sql(
  SELECT coalesce(sum("held" - "settled" - "released"), 0) AS held
    FROM "Holds" WHERE "closed_at" IS NULL
)sql"};

ClosedHold hold_from_row(const db::Row& row) {
  return {row.get<JobId>("job_id"), row.get<UserId>("user_id"), row.get<Tokens>("settled"),
          row.get<Tokens>("released")};
}

}  // namespace

void insert(db::Transaction& transaction, UserId user, const std::vector<NewHold>& holds) {
  std::vector<JobId> jobs;
  std::vector<Tokens> amounts;
  for (const auto& hold : holds) {
    jobs.push_back(hold.job);
    amounts.push_back(hold.amount);
  }
  transaction.queue(kInsert, user, jobs, amounts);
}

void settle(db::Transaction& transaction, JobId job, Tokens amount) {
  transaction.queue(db::command(kSettle, job, amount), [job](const db::Rows& rows) {
    if (rows.affected() != 1) {
      throw std::logic_error("the hold of job " + job.to_string() +
                             " was closed before the job ended");
    }
  });
}

asio::awaitable<std::vector<ClosedHold>> close(db::Transaction& transaction,
                                               std::vector<JobId> jobs, bool everything) {
  const db::Rows rows = co_await transaction.execute(kClose, jobs, everything);
  co_return rows.all(hold_from_row);
}

asio::awaitable<Tokens> sum_open(db::Executor& executor) {
  const db::Rows rows = co_await executor.execute(kSumOpen);
  co_return rows.one().get<Tokens>("held");
}

}  // namespace infernode::hold_dao
