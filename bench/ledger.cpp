// What the ledger costs beyond PostgreSQL itself.
//
// Service: CreditService over the pool, in one transaction a charge: balance checked and moved,
// entry numbered, chained and written. No HTTP. pgbench: the same statements against the same
// tables (and so the same triggers and constraints) at the same number of connections, prepared
// (-M prepared). Plain: pgbench again, for tables without chain and triggers, with the statements
// that keep balance and ledger by hand; it shows what numbering and chaining cost.
//
// Rounds alternate, so that a noisy machine is noisy for all; medians are compared. At the end the
// ledger is filled up to ENTRIES entries and checked, as ledger:verify does.
//
// Usage: bench_ledger [ROUNDS] [ENTRIES]
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <fstream>
#include <random>

#include "audit/audit_service.hpp"
#include "core/process.hpp"
#include "credits/credit_service.hpp"
#include "db/conninfo.hpp"
#include "measure.hpp"
#include "testing/test_server.hpp"

namespace {

using namespace infernode;  // NOLINT(google-build-using-namespace): a program, not a library

constexpr int kConnections = 8;
constexpr int kAccounts = 1000;
constexpr int kSeconds = 5;

std::string account_id(int number) {
  return fmt::format("5eed0000-0000-4000-9000-{:012}", number);
}

asio::awaitable<void> charge_until(db::Pool& pool, CreditService& credits,
                                   std::chrono::steady_clock::time_point end, unsigned seed,
                                   std::int64_t& charges) {
  std::mt19937 random{seed};
  std::uniform_int_distribution<int> any{1, kAccounts};
  while (std::chrono::steady_clock::now() < end) {
    const auto user = UserId::parse(account_id(any(random))).value();
    auto transaction = co_await pool.begin();
    const auto charged = co_await credits.charge_upload(transaction, user, VideoId::random(),
                                                        Tokens::from_thousandths(1), "1 frames");
    if (!charged) {
      throw std::runtime_error(charged.error().detail);
    }
    co_await transaction.commit();
    ++charges;
  }
}

// Charges a second through the service code.
double run_service(const std::string& conninfo) {
  asio::io_context context{1};
  db::Pool pool{context.get_executor(), conninfo, kConnections};
  AuditService audit{pool};
  CreditService credits{pool, audit, PriceList{}};
  std::int64_t charges = 0;
  std::exception_ptr failure;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{kSeconds};
  for (unsigned i = 0; i < kConnections; ++i) {
    asio::co_spawn(context, charge_until(pool, credits, end, std::random_device{}() + i, charges),
                   [&](const std::exception_ptr& error) { failure = error ? error : failure; });
  }
  context.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
  pool.close();
  return static_cast<double>(charges) / kSeconds;
}

LedgerReport check(const std::string& conninfo) {
  asio::io_context context{1};
  LedgerReport report;
  std::exception_ptr failure;
  const auto body = [&]() -> asio::awaitable<void> {
    const auto connection = co_await db::Connection::open(context.get_executor(), conninfo);
    report = co_await check_ledger(*connection);
  };
  asio::co_spawn(context, body(), [&](const std::exception_ptr& error) { failure = error; });
  context.run();
  if (failure) {
    std::rethrow_exception(failure);
  }
  return report;
}

int measure(int rounds, int entries) {
  test::TestServer server{{{"INFERNODE_WORKERS", "0"}, {"INFERNODE_LOG_LEVEL", "warn"}}};
  server.sql(fmt::format(R"(
    INSERT INTO "Users" (id, email, password, tokens)
    SELECT ('5eed0000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid, 'bench' || n || '@example.com',
           'x', 1000000 FROM generate_series(1, {0}) AS n;
    CREATE TABLE plain_users (id UUID PRIMARY KEY, tokens NUMERIC(18,3) NOT NULL CHECK (tokens >= 0));
    INSERT INTO plain_users SELECT id, tokens FROM "Users";
    CREATE TABLE plain_entries (id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
      user_id UUID NOT NULL REFERENCES plain_users, kind "enum_LedgerEntries_kind" NOT NULL,
      amount NUMERIC(18,3) NOT NULL, balance_after NUMERIC(18,3) NOT NULL, video_id UUID, note TEXT,
      created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX ON plain_entries (user_id, created_at DESC, id DESC))",
                         kAccounts));
  const std::string pick = fmt::format("\\set n random(1, {})\nBEGIN;\n", kAccounts);
  const std::string who = "('5eed0000-0000-4000-9000-' || lpad((:n)::text, 12, '0'))::uuid";
  const auto same = server.folder() / "same.sql";
  std::ofstream{same}
      << pick
      << fmt::format(
             R"(INSERT INTO "LedgerEntries" ("user_id", "kind", "amount", "job_id", "video_id", "admin_id", "note") SELECT "id", 'upload', -0.001, NULL, gen_random_uuid(), NULL, '1 frames' FROM "Users" WHERE "id" = {} AND "tokens" + -0.001 >= 0 FOR NO KEY UPDATE RETURNING "balance_after";
COMMIT;
)",
             who);
  const auto plain = server.folder() / "plain.sql";
  std::ofstream{plain}
      << pick
      << fmt::format(
             R"(WITH changed AS (UPDATE plain_users SET tokens = tokens - 0.001 WHERE id = {} AND tokens - 0.001 >= 0 RETURNING id, tokens) INSERT INTO plain_entries (user_id, kind, amount, balance_after, video_id, note) SELECT id, 'upload', -0.001, tokens, gen_random_uuid(), '1 frames' FROM changed RETURNING balance_after;
COMMIT;
)",
             who);
  const std::string socket = (server.folder() / "data/postgres-socket").string();
  const std::string conninfo = db::conninfo_of({socket, 5432, "postgres", "", "InferNode"});

  const std::vector<std::string> for_seconds{"-T", std::to_string(kSeconds)};
  std::vector<double> service;
  std::vector<double> rival;
  std::vector<double> bare;
  std::vector<double> quiet;  // the service, with nothing told of it
  run_service(conninfo);      // warm
  for (int round = 0; round < rounds; ++round) {
    service.push_back(run_service(conninfo));
    server.sql(R"(ALTER TABLE "Users" DISABLE TRIGGER "Users_log_balance")");
    quiet.push_back(run_service(conninfo));
    server.sql(R"(ALTER TABLE "Users" ENABLE TRIGGER "Users_log_balance")");
    rival.push_back(bench::run_pgbench(socket, same, kConnections, for_seconds));
    bare.push_back(bench::run_pgbench(socket, plain, kConnections, for_seconds));
    fmt::print(
        "round {}: service {:.0f}, without events {:.0f}, pgbench {:.0f}, pgbench without chain "
        "{:.0f} "
        "charges/s\n",
        round + 1, service.back(), quiet.back(), rival.back(), bare.back());
    std::fflush(stdout);
  }
  // One entry for each account a statement: an account's row is then never changed twice in one.
  for (int left = entries - std::stoi(server.value("SELECT count(*) FROM \"LedgerEntries\""));
       left > 0; left -= kAccounts) {
    server.sql(fmt::format(R"(INSERT INTO "LedgerEntries" (user_id, kind, amount, note)
        SELECT ('5eed0000-0000-4000-9000-' || lpad((1 + n % {})::text, 12, '0'))::uuid, 'upload', -0.001,
               '1 frames' FROM generate_series(1, {}) AS n)",
                           kAccounts, std::min(left, kAccounts)));
  }
  const long before = bench::status_kib(getpid(), "VmHWM");
  const auto report = check(conninfo);
  fmt::print("check: {} entries of {} accounts in {:.1f} s, {} faults, memory grew by {} KiB\n",
             report.entries, report.accounts, report.seconds, report.fault_count,
             bench::status_kib(getpid(), "VmHWM") - before);
  fmt::print("{} connections, {} accounts, {} s a run;{}", kConnections, kAccounts, kSeconds,
             bench::processor());
  fmt::print("ratio to tables without chain: {:.2f}\n",
             bench::median(service) / bench::median(bare));
  fmt::print("ratio to itself without events: {:.2f}\n",
             bench::median(service) / bench::median(quiet));
  fmt::print("ratio={:.2f}\n", bench::median(service) / bench::median(rival));
  return report.sound() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return measure(argc > 1 ? std::max(1, std::atoi(argv[1])) : 5,
                   argc > 2 ? std::atoi(argv[2]) : 1'000'000);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_ledger: {}\n", error.what());
    return 1;
  }
}
