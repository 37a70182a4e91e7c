#include "credits/hold_dao.hpp"

namespace infernode::hold_dao {
namespace {

using db::Statement;

constexpr Statement kInsert{"holds.insert", R"sql(
  INSERT INTO "Holds" ("job_id", "user_id", "held") VALUES ($1, $2, $3)
)sql"};
constexpr Statement kSettle{"holds.settle", R"sql(
  UPDATE "Holds" SET "settled" = "settled" + $2 WHERE "job_id" = $1 AND "closed_at" IS NULL
)sql"};
constexpr Statement kClose{"holds.close", R"sql(
  UPDATE "Holds"
     SET "settled" = CASE WHEN $2::boolean THEN 0 ELSE "settled" END,
         "released" = "held" - CASE WHEN $2::boolean THEN 0 ELSE "settled" END,
         "closed_at" = now()
   WHERE "job_id" = $1 AND "closed_at" IS NULL
  RETURNING "user_id", "settled", "released"
)sql"};

}  // namespace

asio::awaitable<void> insert(db::Connection& transaction, JobId job, UserId user, Tokens amount) {
  co_await transaction.execute(kInsert, job, user, amount);
}

asio::awaitable<bool> settle(db::Connection& transaction, JobId job, Tokens amount) {
  const db::Rows rows = co_await transaction.execute(kSettle, job, amount);
  co_return rows.affected() == 1;
}

asio::awaitable<std::optional<ClosedHold>> close(db::Connection& transaction, JobId job,
                                                 bool everything) {
  const db::Rows rows = co_await transaction.execute(kClose, job, everything);
  if (rows.empty()) {
    co_return std::nullopt;
  }
  const db::Row row = rows.one();
  ClosedHold hold{row.get<UserId>("user_id"), row.get<Tokens>("settled"),
                  row.get<Tokens>("released")};
  co_return hold;
}

}  // namespace infernode::hold_dao
