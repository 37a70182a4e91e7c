// What the queue costs beyond PostgreSQL itself.
//
// Service: SegmentService with 8 claimers, each claiming a segment and completing it (without
// outputs), which is a claim and a transaction that counts, settles and adds progress. pgbench: a
// plain queue on the same rows with the same commits: the oldest segment by SKIP LOCKED, then the
// same completion, at the same number of connections, prepared. At 1,000 and at WAITING waiting
// segments; rounds alternate, medians are compared. The same without the triggers that log events.
//
// Then what one claim takes, alone, by number of users and of waiting segments, and after CLAIMS
// claims during which a snapshot was held, so that nothing could be vacuumed away.
//
// In the end how soon work begins: 200 jobs of one image, one after the other, with a worker that
// has nothing else to do; from just before the request is sent to when PostgreSQL committed the
// claim. And how long a job of four images takes, from its request to its end, by itself and while
// another user has 10,000 images queued, of which each segment takes so long.
//
// Usage: bench_queue [ROUNDS] [WAITING] [CLAIMS]
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <fstream>
#include <map>

#include "audit/audit_service.hpp"
#include "blobs/postgres_chunks.hpp"
#include "core/process.hpp"
#include "credits/credit_service.hpp"
#include "db/conninfo.hpp"
#include "jobs/segment_dao.hpp"
#include "jobs/segment_service.hpp"
#include "measure.hpp"
#include "testing/test_server.hpp"

namespace {

using namespace infernode;  // NOLINT(google-build-using-namespace): a program, not a library
using Clock = std::chrono::steady_clock;

constexpr int kConnections = 8;
constexpr int kSegmentsPerJob = 100;
constexpr int kLeaseSeconds = 3600;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// `waiting` segments of `users` users, and nothing else in the queue. Jobs have as many segments as
// usual, or fewer where there are more users than that.
void fill(test::TestServer& server, int users, int waiting) {
  const int per_job = std::clamp(waiting / users, 1, kSegmentsPerJob);
  // The ledger keeps users and jobs of before; nothing of them waits any more.
  server.sql(R"(TRUNCATE "Segments", "Turns"; DROP TABLE IF EXISTS bench_users)");
  server.sql(fmt::format(
      R"(CREATE TABLE bench_users AS SELECT gen_random_uuid() AS id FROM generate_series(1, {0});
         INSERT INTO "Users" (id, email, password) SELECT id, id || '@example.com', 'x' FROM bench_users;
         INSERT INTO "Datasets" (id, user_id, name) SELECT id, id, 'set' FROM bench_users;
         INSERT INTO "Blobs" (id, size, sha256) SELECT id, 1, sha256('') FROM bench_users;
         INSERT INTO "Videos" (id, dataset_id, file, name, frame_count)
           SELECT id, id, id, 'v', 1 FROM bench_users;
         CREATE TEMP TABLE jobs AS SELECT gen_random_uuid() AS id, u.id AS user_id
           FROM generate_series(1, {2}) AS n, bench_users AS u;
         INSERT INTO "InferenceJobs" (id, dataset_id, user_id, video_id, status, params, images,
                                      segments_left, price, cost, started_at)
           SELECT id, user_id, user_id, user_id, 'RUNNING', '{{"pipeline": "detect"}}', {1}, {1}, 0.002,
                  0.002 * {1}, now() FROM jobs;
         INSERT INTO "Holds" (job_id, user_id, held) SELECT id, user_id, 0.002 * {1} FROM jobs;
         INSERT INTO "Segments" (job_id, position, end_frame, images, user_id, lane)
           SELECT jobs.id, n, 1, 1, user_id, (SELECT "lane_of"(ARRAY['pipeline:detect']))
             FROM jobs, generate_series(1, {1}) AS n ORDER BY jobs.id, n;
         INSERT INTO "Turns" (user_id, pass, stride, lanes, ranks, afters)
           SELECT id, (SELECT last_value FROM turn_clock), 1000000,
                  ARRAY["lane_of"(ARRAY['pipeline:detect'])], '{{0}}', '{{0}}' FROM bench_users)",
      users, per_job, (waiting + users * per_job - 1) / (users * per_job)));
  server.sql("VACUUM (ANALYZE) \"Segments\", \"Turns\", \"InferenceJobs\", \"Holds\", \"Users\"");
}

// Everything that waited waits again.
void refill(test::TestServer& server) {
  server.sql(
      R"(UPDATE "Segments" SET state = 'PENDING', lease_token = NULL, processed = 0, urgent = false;
         UPDATE "Holds" SET settled = 0 WHERE closed_at IS NULL;
         UPDATE "Turns" SET lanes = ARRAY["lane_of"(ARRAY['pipeline:detect'])], ranks = '{0}', afters = '{0}')");
  server.sql("VACUUM \"Segments\", \"InferenceJobs\", \"Holds\", \"Turns\"");
}

// The services over a database.
struct Queue {
  explicit Queue(const std::string& conninfo, int connections = kConnections)
      : pool{context.get_executor(), conninfo, connections} {}
  ~Queue() { pool.close(); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  void run(const std::function<asio::awaitable<void>()>& body, int times = 1) {
    std::exception_ptr failure;
    int running = times;
    for (int i = 0; i < times; ++i) {
      asio::co_spawn(context, body(), [&](const std::exception_ptr& error) {
        failure = error ? error : failure;
        if (--running == 0) {
          context.stop();
        }
      });
    }
    context.restart();
    context.run();
    if (failure) {
      std::rethrow_exception(failure);
    }
  }

  asio::io_context context{1};
  db::Pool pool;
  PostgresChunks chunks{pool, pool};
  BlobStore blobs{pool, chunks};
  AuditService audit{pool};
  CreditService credits{pool, audit, PriceList{}};
  SegmentService segments{pool, credits, blobs, kLeaseSeconds};
  WorkerInfo worker{WorkerId::random(), "bench:1:1", "bench", "bench", {"cpu"}, {}, {"detect"}};
};

// Segments a second, claimed and completed.
double run_service(const std::string& conninfo, int count) {
  Queue queue{conninfo};
  int left = count;
  const auto begin = Clock::now();
  queue.run(
      [&]() -> asio::awaitable<void> {
        while (left-- > 0) {
          const auto segment = co_await queue.segments.claim(queue.worker);
          if (!segment) {
            throw std::runtime_error("the queue ran empty");
          }
          SegmentOutcome outcome;
          outcome.processed = 1;
          const auto earned = co_await queue.segments.complete(*segment, outcome);
          if (!earned) {
            throw std::runtime_error("a lease was lost");
          }
        }
      },
      kConnections);
  return count / seconds_since(begin);
}

double run_rival(test::TestServer& server, const std::string& socket,
                 const std::filesystem::path& script, int count) {
  server.sql(R"(CREATE INDEX bench_open ON "Segments" (id) WHERE state = 'PENDING')");
  const double rate = bench::run_pgbench(socket, script, kConnections,
                                         {"-t", std::to_string(count / kConnections)});
  server.sql("DROP INDEX bench_open");
  return rate;
}

// Milliseconds a claim, median of the last `sample` of `count`, one after the other.
double time_claims(Queue& queue, int count, int sample) {
  std::vector<double> times;
  queue.run([&]() -> asio::awaitable<void> {
    QueueHints hints;
    auto tended = Clock::now();
    for (int i = 0; i < count; ++i) {
      if (seconds_since(tended) > SegmentService::kTendSeconds) {
        co_await queue.segments.tend_queue(queue.worker.offers());
        tended = Clock::now();
      }
      const auto begin = Clock::now();
      const auto claim =
          co_await segment_dao::claim(queue.pool, LeaseToken::random(), queue.worker.name,
                                      queue.worker.offers(), kLeaseSeconds, hints);
      if (!claim || !claim->segment) {
        throw std::runtime_error("the queue ran empty");
      }
      hints.found_turn(claim->pass.value_or(0));
      if (i >= count - sample) {
        times.push_back(1000 * seconds_since(begin));
      }
    }
  });
  return bench::median(times);
}

constexpr const char* kRival =
    R"(WITH hurry AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)), next AS (SELECT id FROM "Segments" WHERE state = 'PENDING' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) UPDATE "Segments" AS s SET state = 'LEASED', lease_token = gen_random_uuid(), worker = 'bench', claimable_at = now() + interval '1 h', attempts = attempts + 1 FROM next, hurry WHERE s.id = next.id RETURNING s.id, s.job_id, s.lease_token
\gset
BEGIN;
SELECT price FROM "InferenceJobs" WHERE id = :job_id AND status IN ('PENDING', 'RUNNING') FOR UPDATE;
UPDATE "Segments" SET state = 'DONE', lease_token = NULL, processed = 1, outcome = '{}' WHERE id = :id AND lease_token = :lease_token;
UPDATE "InferenceJobs" SET done = done + 1, segments_left = segments_left - 1, updated_at = now() WHERE id = :job_id;
UPDATE "Holds" SET settled = settled + 0.002 WHERE job_id = :job_id;
END;
)";

void set_events(test::TestServer& server, const char* on) {
  server.sql(fmt::format(
      R"(ALTER TABLE "Users" {0} TRIGGER "Users_log_balance";
         ALTER TABLE "InferenceJobs" {0} TRIGGER "InferenceJobs_log_changed")",
      on));
}

boost::json::value detect(const std::string& video, int images) {
  return boost::json::parse(
      fmt::format(R"({{"video_ids": ["{}"], "params": {{"pipeline": "detect", "end_frame": {}}}}})",
                  video, images));
}

// Seconds from the request to the end of a job of four images: the median and the most of ten.
std::pair<double, double> time_small_jobs(test::TestUser& user, const std::string& video) {
  std::vector<double> times;
  for (int i = 0; i < 10; ++i) {
    const auto begin = Clock::now();
    const auto accepted = user.call(201, "POST", "/jobs", detect(video, 4));
    user.wait_for_end(test::text(accepted.at("jobs").at(0), "id"));
    times.push_back(seconds_since(begin));
  }
  return {bench::median(times), *std::max_element(times.begin(), times.end())};
}

void measure_company(test::TestServer& server) {
  test::TestUser user{server};
  const auto footage = user.with_footage("small");
  const auto [alone, alone_most] = time_small_jobs(user, footage.video);
  test::TestUser other{server};
  const auto large = other.with_footage("large");
  for (int images = 0; images < 10'000; images += 120) {
    other.call(201, "POST", "/jobs", detect(large.video, 120));
  }
  test::wait_until("work on it", [&] {
    return server.value(R"(SELECT count(*) FROM "InferenceJobs" WHERE done >= 120)") != "0";
  });
  const auto [beside, beside_most] = time_small_jobs(user, footage.video);
  const auto segment = server.value(
      R"(SELECT round(max(s.images) * min(extract(epoch FROM finished_at - started_at)) / 120, 2)
           FROM "Segments" AS s, "InferenceJobs" AS job
          WHERE job.status = 'COMPLETED' AND job.images = 120)");
  other.call(200, "POST", "/jobs/abort", boost::json::object{});
  fmt::print(
      "a job of 4 images: {:.2f} s alone (at most {:.2f}), {:.2f} s beside 10,000 of another's (at "
      "most {:.2f}); a segment takes {} s\n",
      alone, alone_most, beside, beside_most, segment);
}

void measure_beginning() {
  constexpr int kJobs = 200;
  test::TestServer server{{{"INFERNODE_LOG_LEVEL", "warn"}}};
  server.sql("ALTER SYSTEM SET track_commit_timestamp = on");
  server.stop();
  server.start();
  test::TestUser user{server};
  const auto footage = user.with_footage("bench");
  const auto request = detect(footage.video, 1);
  std::map<std::string, double> sent;  // seconds since 1970, by job
  for (int i = -1; i < kJobs; ++i) {
    const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
    const auto accepted = user.call(201, "POST", "/jobs", request);
    const auto id = test::text(accepted.at("jobs").at(0), "id");
    user.wait_for_end(id);
    if (i >= 0) {  // the first one loads the model
      sent.emplace(id, now.count());
    }
  }
  std::vector<double> times;
  for (const auto& row : server.sql(
           R"(SELECT body->>'id', extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM "Events"
               WHERE type = 'job' AND body->>'status' = 'RUNNING')")) {
    const auto found = sent.find(row.at(0));
    if (found != sent.end()) {
      times.push_back(1000 * (std::stod(row.at(1)) - found->second));
    }
  }
  if (times.size() != kJobs) {
    throw std::runtime_error(fmt::format("{} of {} claims were seen", times.size(), kJobs));
  }
  std::sort(times.begin(), times.end());
  fmt::print(
      "from the request to the claim, {} jobs: p50 {:.1f} ms, p95 {:.1f} ms, at most {:.1f} ms\n",
      kJobs, times[kJobs / 2], times[kJobs * 95 / 100], times.back());
  measure_company(server);
}

int measure(int rounds, int most, int claims) {
  test::TestServer server{{{"INFERNODE_WORKERS", "0"}, {"INFERNODE_LOG_LEVEL", "warn"}}};
  const auto script = server.folder() / "rival.sql";
  std::ofstream{script} << kRival;
  const std::string socket = (server.folder() / "data/postgres-socket").string();
  const std::string conninfo = db::conninfo_of({socket, 5432, "postgres", "", "InferNode"});
  std::vector<std::string> ratios;
  for (const int waiting : {1000, most}) {
    const int count = std::min(waiting * 4 / 5, 8000);
    fill(server, 10, waiting);
    std::vector<double> service;
    std::vector<double> quiet;  // the service, with nothing told of it
    std::vector<double> rival;
    for (int round = 0; round < rounds; ++round) {
      service.push_back(run_service(conninfo, count));
      if (waiting < 10 * count) {
        refill(server);
      }
      set_events(server, "DISABLE");
      quiet.push_back(run_service(conninfo, count));
      set_events(server, "ENABLE");
      if (waiting < 10 * count) {
        refill(server);
      }
      rival.push_back(run_rival(server, socket, script, count));
      if (waiting < 10 * count) {
        refill(server);
      }
      fmt::print(
          "{} waiting, round {}: service {:.0f}, without events {:.0f}, pgbench {:.0f} "
          "segments/s\n",
          waiting, round + 1, service.back(), quiet.back(), rival.back());
      std::fflush(stdout);
    }
    ratios.push_back(
        fmt::format("claim and complete / pgbench with SKIP LOCKED, {} waiting = {:.2f}\n", waiting,
                    bench::median(service) / bench::median(rival)));
    ratios.push_back(fmt::format("with events / without, {} waiting = {:.2f}\n", waiting,
                                 bench::median(service) / bench::median(quiet)));
  }
  double first = 0;
  for (const auto& [users, waiting] :
       std::vector<std::pair<int, int>>{{1, 1000}, {1, most}, {10'000, 20'000}, {10'000, most}}) {
    fill(server, users, waiting);
    Queue queue{conninfo, 1};
    const double time = time_claims(queue, 900, 800);
    first = first == 0 ? time : first;
    fmt::print("a claim with {} users and {} waiting: {:.3f} ms, {:.2f} of the first\n", users,
               waiting, time, time / first);
    std::fflush(stdout);
  }
  for (const int users : {1, 1000}) {
    fill(server, users, claims + 2000);
    Queue queue{conninfo, 1};
    const double before = time_claims(queue, 900, 800);
    Queue other{conninfo, 1};
    other.run([&]() -> asio::awaitable<void> {
      auto connection = co_await other.pool.acquire();
      co_await connection->run_script(
          "SET idle_in_transaction_session_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ; "
          "SELECT count(*) FROM \"Segments\"");
      queue.context.restart();
      const double after = time_claims(queue, claims, 800);
      co_await connection->run_script("COMMIT");  // it was held all the time
      fmt::print("{} users, after {} claims under one snapshot: {:.3f} ms, {:.2f} of before\n",
                 users, claims, after, after / before);
      std::fflush(stdout);
    });
  }
  measure_beginning();
  for (const auto& ratio : ratios) {
    fmt::print("{}", ratio);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return measure(argc > 1 ? std::max(1, std::atoi(argv[1])) : 3,
                   argc > 2 ? std::max(20'000, std::atoi(argv[2])) : 1'000'000,
                   argc > 3 ? std::atoi(argv[3]) : 100'000);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_queue: {}\n", error.what());
    return 1;
  }
}
