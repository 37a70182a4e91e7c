// What a request costs, beside what HTTP and PostgreSQL cost on the same machine in the same run.
//
// wrk sends to each server in turn, round after round, so that a noisy machine is noisy for all;
// medians are compared. The rivals: a Beast server with a constant answer, one that sends one
// prepared select for each request (http_rivals.cpp), pgbench with the statements themselves, and
// Express 5 with Sequelize and with plain pg (rivals/). InferNode runs with the settings that it is
// shipped with, but for the rate limit, which is off; a line says what the limit costs. Then logins
// at bcrypt 12 beside bare calls of crypt() on all cores, and the latency of reads meanwhile.
//
// Usage: bench_http [ROUNDS] [SECONDS]
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <fstream>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "accounts/password.hpp"
#include "core/process.hpp"
#include "db/conninfo.hpp"
#include "http_rivals.hpp"
#include "measure.hpp"
#include "testing/test_server.hpp"

namespace {

using namespace infernode;  // NOLINT(google-build-using-namespace): a program, not a library
namespace fs = std::filesystem;

constexpr int kUsers = 16;  // whose tokens are used in turn
constexpr int kOthers = 1000;
constexpr int kDatasetsOfOthers = 100'000;
constexpr int kConnections = 32;
constexpr int kPgbenchConnections = 8;
constexpr int kReadsPerSecond = 50;
constexpr int kLoginSeconds = 15;

std::string user_id(int number) {
  return fmt::format("5eed0000-0000-4000-9000-{:012}", number);
}

// A program that prints the port it listens on, alone or at the end of an address; ended when this
// goes.
class Listener {
public:
  // What it writes to standard error goes to `log`.
  Listener(std::vector<std::string> line, const std::map<std::string, std::string>& environment,
           const fs::path& log) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
      throw std::runtime_error("no pipe");
    }
    std::vector<char*> words;
    for (auto& word : line) {
      words.push_back(word.data());
    }
    words.push_back(nullptr);
    child_ = fork();
    if (child_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      dup2(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
      for (const auto& [name, value] : environment) {
        setenv(name.c_str(), value.c_str(), 1);
      }
      execvp(words.front(), words.data());
      _exit(127);
    }
    close(ends[1]);
    std::string text;
    for (char c = 0; read(ends[0], &c, 1) == 1 && c != '\n';) {
      text += c;
    }
    close(ends[0]);
    if (text.empty()) {
      throw std::runtime_error(line.front() + " did not start");
    }
    port_ = static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':') + 1)));
  }
  ~Listener() {
    ::kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  std::uint16_t port() const { return port_; }

private:
  pid_t child_ = -1;
  std::uint16_t port_ = 0;
};

struct Load {
  double per_second = 0;
  double p50 = 0;  // ms
  double p99 = 0;  // ms
  std::string errors{};
};

double milliseconds_after(const std::string& output, const std::string& label) {
  const auto at = output.find(label);
  if (at == std::string::npos) {
    throw std::runtime_error("wrk: " + output);
  }
  std::size_t used = 0;
  const std::string rest = output.substr(at + label.size());
  const double value = std::stod(rest, &used);
  const std::string unit = rest.substr(used, 2);
  return unit == "us" ? value / 1000 : unit == "ms" ? value : value * 1000;
}

// Requests of every user in turn.
Load run_wrk(std::uint16_t port, const fs::path& script, int connections, int seconds) {
  const auto result = run_process(
      {"wrk", "-t1", fmt::format("-c{}", connections), fmt::format("-d{}s", seconds), "--timeout",
       "20s", "--latency", "-s", script.string(), fmt::format("http://127.0.0.1:{}", port)});
  const auto& output = result.output;
  if (result.status != 0) {
    throw std::runtime_error("wrk: " + output);
  }
  Load load;
  load.p50 = milliseconds_after(output, "50% ");
  load.p99 = milliseconds_after(output, "99% ");
  const std::string label = "Requests/sec:";
  load.per_second = std::stod(output.substr(output.find(label) + label.size()));
  for (const std::string problem : {"Socket errors:", "Non-2xx or 3xx responses:"}) {
    const auto at = output.find(problem);
    if (at != std::string::npos) {
      load.errors += output.substr(at, output.find('\n', at) - at) + " ";
    }
  }
  return load;
}

// One client that asks at fixed times, whether the last answer is there or not: the 50th and 99th
// percentile from the time a request was due to its answer, in ms.
std::pair<double, double> read_at_a_rate(std::uint16_t port, const std::string& token,
                                         int seconds) {
  http::Client client{"127.0.0.1", port};
  client.set_token(token);
  std::vector<double> latencies;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < seconds * kReadsPerSecond; ++i) {
    const auto due = start + std::chrono::microseconds{1'000'000LL * i / kReadsPerSecond};
    std::this_thread::sleep_until(due);
    if (client.request("GET", "/api/v1/users/me").status != 200) {
      throw std::runtime_error("GET /users/me failed under load");
    }
    latencies.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - due).count());
  }
  std::sort(latencies.begin(), latencies.end());
  return {latencies[latencies.size() / 2], latencies[latencies.size() * 99 / 100]};
}

// Calls of crypt() a second, on all cores.
double hash_bare(int seconds) {
  std::atomic<int> hashes = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{seconds};
  const std::string hash = hash_password("a good password", 12);
  std::vector<std::thread> threads;
  const auto begun = std::chrono::steady_clock::now();
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
    threads.emplace_back([&] {
      while (std::chrono::steady_clock::now() < end) {
        password_matches("a good password", hash);
        ++hashes;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  return hashes / std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

// Lua for wrk: the requests, one after the other, for ever.
void write_script(const fs::path& file, const std::vector<std::string>& requests) {
  std::ofstream out{file};
  out << "local list = {\n";
  for (const auto& request : requests) {
    out << request << ",\n";
  }
  out << "}\nlocal made = {}\nfunction init() for i, r in ipairs(list) do made[i] = "
         "wrk.format(r[1], r[2], r[3], r[4]) end end\n"
         "local at = 0\nfunction request() at = at % #made + 1 return made[at] end\n";
}

struct Bench {
  test::TestServer server{{{"INFERNODE_WORKERS", "0"},
                           {"INFERNODE_BCRYPT_COST", "12"},
                           {"INFERNODE_SWEEP_SECONDS", "60"},
                           {"INFERNODE_RATE_LIMIT_PER_USER", "0"},
                           {"INFERNODE_RATE_LIMIT_PER_ADDRESS", "0"}}};
  std::string socket = (server.folder() / "data/postgres-socket").string();
  std::vector<std::string> tokens{};

  fs::path file(const std::string& name) const { return server.folder() / name; }
  std::string conninfo(const std::string& database) const {
    return db::conninfo_of({socket, 5432, "postgres", "", database});
  }

  void fill() {
    const std::string hash = hash_password("a good password", 12);
    server.sql(fmt::format(R"(
      INSERT INTO "Users" (id, email, password)
      SELECT ('5eed0000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid,
             'bench' || n || '@example.com', '{}' FROM generate_series(1, {}) AS n)",
                           hash, kOthers));
    const std::string datasets = R"(
      INSERT INTO "Datasets" (user_id, name, tags)
      SELECT ('5eed0000-0000-4000-9000-' || lpad(({})::text, 12, '0'))::uuid, 'dataset ' || n,
             ARRAY['street', 'night'] FROM generate_series(1, {}) AS n)";
    server.sql(fmt::format(fmt::runtime(datasets), fmt::format("1 + n % {}", kUsers), 20 * kUsers));
    server.sql(fmt::format(fmt::runtime(datasets),
                           fmt::format("{} + n % {}", kUsers + 1, kOthers - kUsers),
                           kDatasetsOfOthers));
    server.sql("CREATE DATABASE rivals");
    test::run_sql(conninfo("rivals"), R"(
      CREATE TABLE "Users" (id UUID PRIMARY KEY, email VARCHAR(255) NOT NULL UNIQUE,
        password VARCHAR(255) NOT NULL, role VARCHAR(10) NOT NULL DEFAULT 'user',
        tokens NUMERIC(18,3) NOT NULL DEFAULT 100, "createdAt" TIMESTAMPTZ NOT NULL DEFAULT now(),
        "updatedAt" TIMESTAMPTZ NOT NULL DEFAULT now()))");
    test::run_sql(conninfo("rivals"), fmt::format(R"(
      INSERT INTO "Users" (id, email, password)
      SELECT ('5eed0000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid,
             'bench' || n || '@example.com', '{}' FROM generate_series(1, {}) AS n)",
                                                  hash, kOthers));
    for (const std::string database : {"InferNode", "rivals"}) {
      test::run_sql(conninfo(database), "VACUUM ANALYZE");
    }
  }

  void log_in() {
    http::Client client{"127.0.0.1", server.port()};
    for (int i = 1; i <= kUsers; ++i) {
      const auto response = client.request(
          "POST", "/api/v1/auth/login",
          fmt::format(R"({{"email":"bench{}@example.com","password":"a good password"}})", i),
          {{"Content-Type", "application/json"}});
      tokens.push_back(test::text(boost::json::parse(response.body), "token"));
    }
  }

  void write_scripts() {
    std::vector<std::string> me;
    std::vector<std::string> rows;
    std::vector<std::string> list;
    std::vector<std::string> logins;
    for (int i = 1; i <= kUsers; ++i) {
      const auto as = fmt::format("{{ ['Authorization'] = 'Bearer {}' }}",
                                  tokens[static_cast<std::size_t>(i - 1)]);
      me.push_back(fmt::format("{{ 'GET', '/api/v1/users/me', {} }}", as));
      rows.push_back(fmt::format("{{ 'GET', '/users/{}', {{}} }}", user_id(i)));
      list.push_back(fmt::format("{{ 'GET', '/api/v1/datasets?limit=20', {} }}", as));
      logins.push_back(fmt::format(
          "{{ 'POST', '/api/v1/auth/login', {{ ['Content-Type'] = 'application/json' }}, "
          R"('{{"email":"bench{}@example.com","password":"a good password"}}' }})",
          i));
    }
    write_script(file("me.lua"), me);
    write_script(file("rows.lua"), rows);
    write_script(file("list.lua"), list);
    write_script(file("logins.lua"), logins);
    std::ofstream{file("create.lua")}
        << "math.randomseed(os.time())\nlocal run = tostring(math.random(1, 2000000000))\n"
        << "local headers = { ['Content-Type'] = 'application/json' }\nlocal at = 0\nlocal tokens "
           "= {\n"
        <<
        [&] {
          std::string all;
          for (const auto& token : tokens) {
            all += "'Bearer " + token + "',\n";
          }
          return all;
        }()
        << "}\nfunction request()\n at = at + 1\n headers['Authorization'] = tokens[at % #tokens + "
           "1]\n"
           " return wrk.format('POST', '/api/v1/datasets', headers, '{\"name\":\"w' .. run .. '-' "
           ".. at "
           ".. '\",\"tags\":[\"street\",\"night\"]}')\nend\n";
    const std::string who = "('5eed0000-0000-4000-9000-' || lpad((:n)::text, 12, '0'))::uuid";
    const std::string pick = fmt::format("\\set n random(1, {})\n", kUsers);
    const std::string columns = R"("id", "name", "tags", "deleted_at", "created_at", "updatedAt")";
    std::ofstream{file("select.sql")}
        << pick
        << R"(SELECT "id", "email", "password", "role", "tokens", "session_epoch", "disabled_at", "createdAt", "updatedAt", "weight", "max_running_segments", "max_open_jobs", "storage_quota", coalesce((SELECT sum("bytes") FROM "StorageEntries" WHERE "user_id" = "Users"."id"), 0)::bigint AS storage_used FROM "Users" WHERE "id" = )"
        << who << ";\n";
    std::ofstream{file("list.sql")}
        << pick
        << fmt::format(
               R"(SELECT {} FROM "Datasets" WHERE "user_id" = {} AND ("deleted_at" IS NOT NULL) = false AND "purged_at" IS NULL AND (cardinality(:tags::varchar[]) = 0 OR "tags" @> :tags) AND (nullif(:part, '-')::text IS NULL OR position(lower(:part) IN lower("name")) > 0) AND ("created_at", "id") < (:before::timestamptz, :last::uuid) ORDER BY "created_at" DESC, "id" DESC LIMIT 21;
)",
               columns, who);
    std::ofstream{file("create.sql")} << pick
                                      << fmt::format(
                                             R"(BEGIN;
INSERT INTO "Datasets" ("user_id", "name", "tags") VALUES ({}, gen_random_uuid()::text, ARRAY['street','night']) ON CONFLICT ("user_id", "name") WHERE "deleted_at" IS NULL DO NOTHING RETURNING {};
WITH made AS (INSERT INTO "Tags" ("name") SELECT name FROM unnest(ARRAY['street','night']::varchar[]) AS name ORDER BY name ON CONFLICT ("name") DO NOTHING RETURNING 1) SELECT CASE WHEN EXISTS (SELECT FROM made) THEN (SELECT count(DISTINCT tag) FROM "Datasets", unnest("tags") AS tag WHERE "user_id" = {} AND "purged_at" IS NULL) ELSE 0 END AS own;
COMMIT;
)",
                                             who, columns, who);
  }
};

// What was measured of one server or script, round after round.
struct Measured {
  std::vector<double> per_second{};
  std::vector<double> p50{};
  std::vector<double> p99{};

  void add(const Load& load) {
    per_second.push_back(load.per_second);
    p50.push_back(load.p50);
    p99.push_back(load.p99);
  }
  double rate() const { return bench::median(per_second); }
  double spread() const { return bench::median(p99) / bench::median(p50); }
};

int measure(int rounds, int seconds) {
  Bench bench;
  bench.fill();
  bench.log_in();
  bench.write_scripts();

  std::string key;
  for (const auto& entry : fs::directory_iterator{bench.file("data/keys")}) {
    key = entry.path().string();
  }
  const std::string self = own_binary().string();
  const std::map<std::string, std::string> environment{{"KEY_FILE", key},
                                                       {"PGHOST", bench.socket},
                                                       {"PGUSER", "postgres"},
                                                       {"PGDATABASE", "rivals"},
                                                       {"NODE_ENV", "production"}};
  const std::string script = INFERNODE_SOURCE_DIR "/bench/rivals/server.js";
  const fs::path log = bench.file("rivals.log");
  const Listener constant{{self, "constant"}, {}, log};
  const Listener select{{self, "select", bench.conninfo("InferNode")}, {}, log};
  const Listener sequelize{{"node", script, "sequelize"}, environment, log};
  const Listener plain{{"node", script, "pg"}, environment, log};
  const std::string high = "1000000000";
  const Listener limited{{INFERNODE_BINARY, "serve"},
                         {{"INFERNODE_DATA_DIR", bench.file("data").string()},
                          {"INFERNODE_PORT", "0"},
                          {"INFERNODE_WORKERS", "0"},
                          {"INFERNODE_RATE_LIMIT_PER_USER", high},
                          {"INFERNODE_RATE_LIMIT_PER_ADDRESS", high}},
                         bench.file("limited.log")};
  const std::uint16_t own = bench.server.port();

  std::map<std::string, Measured> all;
  std::string errors;
  const auto wrk = [&](const std::string& name, std::uint16_t port, const std::string& requests,
                       int connections = kConnections) {
    const auto load = run_wrk(port, bench.file(requests), connections, seconds);
    all[name].add(load);
    if (!load.errors.empty()) {
      errors += name + ": " + load.errors + "\n";
    }
    fmt::print("  {:<34} {:>9.0f}/s   p50 {:>7.2f} ms   p99 {:>7.2f} ms {}\n", name,
               load.per_second, load.p50, load.p99, load.errors);
    std::fflush(stdout);
  };
  const auto statements = [&](const std::string& name, const std::string& requests) {
    const double rate = infernode::bench::run_pgbench(
        bench.socket, bench.file(requests), kPgbenchConnections,
        {"-T", std::to_string(seconds), "-D", "tags={}", "-D", "before=infinity", "-D",
         "last=ffffffff-ffff-ffff-ffff-ffffffffffff", "-D", "part=-"});
    all[name].per_second.push_back(rate);
    fmt::print("  {:<34} {:>9.0f}/s\n", name, rate);
    std::fflush(stdout);
  };
  for (int round = 1; round <= rounds; ++round) {
    fmt::print("round {}\n", round);
    wrk("constant Beast", constant.port(), "rows.lua");
    wrk("Beast and libpq", select.port(), "rows.lua");
    wrk("GET /users/me", own, "me.lua");
    wrk("GET /users/me, rates limited", limited.port(), "me.lua");
    statements("pgbench select", "select.sql");
    wrk("Express, Sequelize", sequelize.port(), "me.lua");
    wrk("Express, pg", plain.port(), "me.lua");
    wrk("GET /datasets", own, "list.lua");
    statements("pgbench list", "list.sql");
    wrk("POST /datasets", own, "create.lua");
    statements("pgbench create", "create.sql");
    wrk("Beast and libpq, 256", select.port(), "rows.lua", 256);
    wrk("GET /users/me, 256", own, "me.lua", 256);
    wrk("GET /datasets, 256", own, "list.lua", 256);
    wrk("POST /datasets, 256", own, "create.lua", 256);
  }
  const double bare = hash_bare(seconds);
  const auto idle = read_at_a_rate(own, bench.tokens.front(), 2 * seconds);
  Load logins;
  std::thread logging_in{
      [&] { logins = run_wrk(own, bench.file("logins.lua"), kUsers, kLoginSeconds); }};
  const auto busy = read_at_a_rate(own, bench.tokens.front(), kLoginSeconds - 1);
  logging_in.join();
  fmt::print(
      "logins {:.1f}/s, crypt on all cores {:.1f}/s; {} reads/s: p50 {:.2f}, p99 {:.2f} ms idle, "
      "{:.2f}, {:.2f} ms meanwhile {}\n",
      logins.per_second, bare, kReadsPerSecond, idle.first, idle.second, busy.first, busy.second,
      logins.errors);
  fmt::print("{} connections, pgbench {}, {} s a run, median of {};{}", kConnections,
             kPgbenchConnections, seconds, rounds, bench::processor());
  const auto ratio = [&](const std::string& one, const std::string& other) {
    fmt::print("{} / {} = {:.2f}\n", one, other, all[one].rate() / all[other].rate());
  };
  ratio("Beast and libpq", "constant Beast");
  ratio("GET /users/me", "Beast and libpq");
  ratio("GET /users/me", "pgbench select");
  ratio("GET /users/me", "Express, Sequelize");
  ratio("GET /users/me", "Express, pg");
  ratio("GET /users/me, rates limited", "GET /users/me");
  ratio("GET /datasets", "pgbench list");
  ratio("POST /datasets", "pgbench create");
  ratio("GET /users/me, 256", "Beast and libpq, 256");
  ratio("GET /datasets, 256", "GET /datasets");
  ratio("POST /datasets, 256", "POST /datasets");
  fmt::print("p99/p50 of GET /users/me {:.2f}, of Beast and libpq {:.2f}: ratio {:.2f}\n",
             all["GET /users/me"].spread(), all["Beast and libpq"].spread(),
             all["GET /users/me"].spread() / all["Beast and libpq"].spread());
  fmt::print("logins / crypt on all cores = {:.2f}\n", logins.per_second / bare);
  fmt::print("p99 of reads during logins / idle = {:.2f}\n", busy.second / idle.second);
  if (!errors.empty()) {
    fmt::print("errors:\n{}", errors);
  }
  return errors.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string part = argc > 1 ? argv[1] : "";
    if (part == "constant") {
      bench::serve_constant();
    } else if (part == "select" && argc > 2) {
      bench::serve_select(argv[2]);
    } else {
      return measure(argc > 1 ? std::max(1, std::atoi(argv[1])) : 3,
                     argc > 2 ? std::max(1, std::atoi(argv[2])) : 5);
    }
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_http: {}\n", error.what());
    return 1;
  }
}
