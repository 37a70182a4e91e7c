// Goal: whatever clients do, in whatever order, and whatever dies meanwhile, every token is
// accounted for.
// Method: 16 clients fire random requests at a real server for a few users they share, so that
// they get in each other's way, with balances that are always nearly empty. Server, worker and
// PostgreSQL are killed under them. A client whose answer got lost asks again with the same
// Idempotency-Key. After each round the database is compared with itself and with what the clients
// were told. PROPERTY_SEED repeats a run's choices (not its timing).
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "core/id.hpp"
#include "core/json.hpp"
#include "core/process.hpp"
#include "testing/long_tests.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr int kClients = 16;
constexpr int kFrames = 6;
constexpr int kBrokenFrom = 3;
constexpr std::size_t kMaxUsers = 8;

// A request that was answered, to be repeated.
struct Answered {
  std::string path;
  std::string body;
  std::string key;
  int status = 0;
  std::string answer;
};

// A user as all clients share it. What it knows may be out of date: that is part of the test.
struct Account {
  std::string id;
  std::string token;
  std::mutex mutex;
  std::vector<std::string> datasets;
  std::vector<std::string> videos;
  std::deque<std::string> jobs;
  std::deque<Answered> answered;
  std::int64_t recharged = 0;  // thousandths of tokens, as told by answers
  std::int64_t uploads = 0;
  std::int64_t jobs_accepted = 0;
};

class Property : public testing::Test {
protected:
  Property()
      : server_{{{"INFERNODE_WORKERS", "0"},
                 {"INFERNODE_LEASE_SECONDS", "2"},
                 {"INFERNODE_LOG_LEVEL", "warn"}}} {
    server_.set("INFERNODE_PORT", std::to_string(server_.port()));
    write_clip(server_.folder() / "sound.mkv", kFrames, kFrames);
    write_clip(server_.folder() / "broken.mkv", kFrames, kBrokenFrom);
    admin_ = std::make_unique<TestUser>(server_, TestUser::admin);
    const char* seed = std::getenv("PROPERTY_SEED");
    seed_ = seed == nullptr ? std::random_device{}() : static_cast<unsigned>(std::stoul(seed));
    start_worker();
  }
  ~Property() override { kill_worker(); }

  void start_worker() { worker_ = server_.spawn({"worker", "--count", "2"}); }
  void kill_worker() {
    ::kill(worker_, SIGKILL);
    waitpid(worker_, nullptr, 0);
  }
  void round(std::int64_t operations, bool restart_postgres, std::mt19937& random);
  void expect_sound();
  void settle_everything();

  TestServer server_;
  std::unique_ptr<TestUser> admin_;
  pid_t worker_ = -1;
  unsigned seed_ = 0;

  std::mutex accounts_mutex_;
  std::vector<std::shared_ptr<Account>> accounts_;
  std::atomic<std::int64_t> operations_ = 0;
  std::atomic<std::int64_t> lost_answers_ = 0;
  std::atomic<int> violations_ = 0;
  std::mutex statuses_mutex_;
  std::map<std::string, std::map<int, std::int64_t>> statuses_;
  int server_kills_ = 0;
  int worker_kills_ = 0;
  int postgres_crashes_ = 0;

  friend class RandomClient;
};

class RandomClient {
public:
  RandomClient(Property& test, unsigned seed)
      : test_{test}, random_{seed}, client_{"127.0.0.1", test.server_.port()} {}

  void act() {
    struct Choice {
      int weight;
      void (RandomClient::*action)();
    };
    static const std::vector<Choice> kChoices{
        {2, &RandomClient::enrol},           {5, &RandomClient::recharge},
        {4, &RandomClient::create_dataset},  {2, &RandomClient::upload},
        {15, &RandomClient::quote},          {22, &RandomClient::create_job},
        {12, &RandomClient::abort},          {1, &RandomClient::delete_dataset},
        {4, &RandomClient::restore_dataset}, {2, &RandomClient::delete_video},
        {14, &RandomClient::repeat},         {15, &RandomClient::look}};
    int total = 0;
    for (const auto& choice : kChoices) {
      total += choice.weight;
    }
    int pick = number(0, total - 1);
    for (const auto& choice : kChoices) {
      if (pick < choice.weight) {
        (this->*choice.action)();
        break;
      }
      pick -= choice.weight;
    }
    ++test_.operations_;
  }

private:
  int number(int least, int most) {
    return std::uniform_int_distribution<int>{least, most}(random_);
  }
  std::string new_key() { return fmt::format("{:08x}-{:08x}", random_(), random_()); }

  std::shared_ptr<Account> account() {
    const std::lock_guard lock{test_.accounts_mutex_};
    if (test_.accounts_.empty()) {
      return nullptr;
    }
    return test_.accounts_[static_cast<std::size_t>(
        number(0, static_cast<int>(test_.accounts_.size()) - 1))];
  }
  template <class Container>
  std::string one_of(std::mutex& mutex, const Container& container) {
    const std::lock_guard lock{mutex};
    return container.empty() ? infernode::UserId::random().to_string()
                             : container[static_cast<std::size_t>(
                                   number(0, static_cast<int>(container.size()) - 1))];
  }

  // Asks until there is an answer: what got lost or was put off is asked again, with its key.
  http::ClientResponse ask(const char* name, const std::function<http::ClientResponse()>& request,
                           const std::set<int>& legal) {
    const auto end = std::chrono::steady_clock::now() + 120s;
    for (;;) {
      try {
        auto answer = request();
        if (answer.status != 503) {
          {
            const std::lock_guard lock{test_.statuses_mutex_};
            ++test_.statuses_[name][answer.status];
          }
          if (!legal.contains(answer.status)) {
            ++test_.violations_;
            ADD_FAILURE() << name << ": " << answer.status << " " << answer.body;
          }
          return answer;
        }
      } catch (const http::ClientError&) {
      }
      ++test_.lost_answers_;
      if (std::chrono::steady_clock::now() > end) {
        ++test_.violations_;
        ADD_FAILURE() << name << " was not answered for two minutes";
        return {};
      }
      std::this_thread::sleep_for(50ms);
    }
  }
  http::ClientResponse post(const char* name, const std::string& token, const std::string& path,
                            const std::string& body, const std::string& key,
                            const std::set<int>& legal) {
    return ask(
        name,
        [&] {
          client_.set_token(token);
          std::map<std::string, std::string> headers;
          if (!key.empty()) {
            headers.emplace("Idempotency-Key", key);
          }
          return client_.request("POST", "/api/v1" + path, body, headers);
        },
        legal);
  }
  http::ClientResponse send(const char* name, const Account& account, const std::string& method,
                            const std::string& path, const std::set<int>& legal) {
    return ask(
        name,
        [&] {
          client_.set_token(account.token);
          return client_.request(method, "/api/v1" + path);
        },
        legal);
  }
  static void remember(Account& account, Answered answered) {
    account.answered.push_back(std::move(answered));
    if (account.answered.size() > 200) {
      account.answered.pop_front();
    }
  }

  void enrol() {
    {
      const std::lock_guard lock{test_.accounts_mutex_};
      if (test_.accounts_.size() >= kMaxUsers) {
        return;
      }
    }
    const std::string email = "user-" + new_key() + "@example.com";
    const std::string credentials =
        json_text(json::object{{"email", email}, {"password", "a good password"}});
    // 409: it had succeeded, and the answer got lost.
    post("register", "", "/auth/register", credentials, "", {201, 409});
    const auto login = post("login", "", "/auth/login", credentials, "", {200});
    if (login.status != 200) {
      return;
    }
    const auto body = json::parse(login.body);
    auto account = std::make_shared<Account>();
    account->id = text(body.at("user"), "id");
    account->token = text(body, "token");
    test_.server_.spend(email, "99.9");  // poor from the start
    const std::lock_guard lock{test_.accounts_mutex_};
    test_.accounts_.push_back(std::move(account));
  }

  void recharge() {
    const auto user = account();
    if (!user) {
      return;
    }
    const int thousandths = number(1, 8);
    const std::string path = "/admin/users/" + user->id + "/recharge";
    const std::string body = fmt::format(R"({{"tokens":0.{:03}}})", thousandths);
    const std::string key = new_key();
    const auto answer = post("recharge", test_.admin_->token(), path, body, key, {201});
    const std::lock_guard lock{user->mutex};
    user->recharged += answer.status == 201 ? thousandths : 0;
  }

  void create_dataset() {
    const auto user = account();
    if (!user) {
      return;
    }
    const std::string body = fmt::format(R"({{"name":"d{}"}})", number(0, 30));
    const std::string key = new_key();
    const auto answer = post("create dataset", user->token, "/datasets", body, key, {201, 409});
    const std::lock_guard lock{user->mutex};
    if (answer.status == 201) {
      user->datasets.push_back(text(json::parse(answer.body), "id"));
      remember(*user, {"/datasets", body, key, answer.status, answer.body});
    }
  }

  void upload() {
    const auto user = account();
    if (!user) {
      return;
    }
    const std::string dataset = one_of(user->mutex, user->datasets);
    const auto file = test_.server_.folder() / (number(0, 2) == 0 ? "broken.mkv" : "sound.mkv");
    const std::string key = new_key();
    const auto answer = ask("upload",
                            [&] {
                              client_.set_token(user->token);
                              return client_.upload("/api/v1/datasets/" + dataset + "/videos", file,
                                                    "v", {{"Idempotency-Key", key}});
                            },
                            {201, 402, 404});
    if (answer.status == 201) {
      const std::lock_guard lock{user->mutex};
      user->videos.push_back(text(json::parse(answer.body), "id"));
      ++user->uploads;
    }
  }

  std::string job_request(Account& user) {
    json::array videos;
    for (int i = number(0, 5) == 0 ? 2 : 1; i > 0; --i) {
      const json::value video(one_of(user.mutex, user.videos));  // braces would make it a list
      if (videos.empty() || videos.front() != video) {
        videos.push_back(video);
      }
    }
    const int start = number(0, kFrames - 1);
    return json_text(json::object{{"video_ids", videos},
                                  {"params", json::object{{"pipeline", "detect"},
                                                          {"start_frame", start},
                                                          {"end_frame", number(start + 1, kFrames)},
                                                          {"images", number(0, 3) == 0}}}});
  }

  // Whether there is something to work on; otherwise sees to it.
  bool has_videos(Account& user) {
    bool datasets = false;
    {
      const std::lock_guard lock{user.mutex};
      if (user.videos.size() > 3) {
        return true;
      }
      datasets = !user.datasets.empty();
    }
    datasets ? upload() : create_dataset();
    return false;
  }

  void quote() {
    const auto user = account();
    if (user && has_videos(*user)) {
      post("quote", user->token, "/jobs/quote", job_request(*user), "", {200, 404});
    }
  }

  void create_job() {
    const auto user = account();
    if (!user || !has_videos(*user)) {
      return;
    }
    const std::string body = job_request(*user);
    const std::string key = new_key();
    const auto answer = post("create job", user->token, "/jobs", body, key, {201, 402, 404});
    if (answer.status != 201) {
      return;
    }
    const auto parsed = json::parse(answer.body);
    const std::lock_guard lock{user->mutex};
    for (const auto& job : parsed.at("jobs").as_array()) {
      user->jobs.push_back(text(job, "id"));
      ++user->jobs_accepted;
    }
    while (user->jobs.size() > 50) {
      user->jobs.pop_front();
    }
    remember(*user, {"/jobs", body, key, answer.status, answer.body});
  }

  void abort() {
    const auto user = account();
    if (user) {
      const std::string job = one_of(user->mutex, user->jobs);
      post("abort", user->token, "/jobs/" + job + "/abort", "", "", {200, 404, 409});
    }
  }

  void delete_dataset() {
    const auto user = account();
    if (user) {
      const std::string dataset = one_of(user->mutex, user->datasets);
      send("delete dataset", *user, "DELETE", "/datasets/" + dataset, {204, 404});
    }
  }

  void restore_dataset() {
    const auto user = account();
    if (user) {
      const std::string dataset = one_of(user->mutex, user->datasets);
      post("restore dataset", user->token, "/datasets/" + dataset + "/restore", "", "",
           {200, 404, 409});
    }
  }

  void delete_video() {
    const auto user = account();
    if (user) {
      const std::string video = one_of(user->mutex, user->videos);
      const auto answer =
          send("delete video", *user, "DELETE", "/videos/" + video, {204, 404, 409});
      const std::lock_guard lock{user->mutex};
      if (answer.status == 204 || answer.status == 404) {
        std::erase(user->videos, video);
      }
    }
  }

  // The same key: the same answer to the byte, whatever has become of things meanwhile.
  void repeat() {
    const auto user = account();
    if (!user) {
      return;
    }
    Answered again;
    {
      const std::lock_guard lock{user->mutex};
      if (user->answered.empty()) {
        return;
      }
      again = user->answered[static_cast<std::size_t>(
          number(0, static_cast<int>(user->answered.size()) - 1))];
    }
    const auto answer =
        post("repeat", user->token, again.path, again.body, again.key, {again.status});
    if (answer.body != again.answer) {
      ++test_.violations_;
      ADD_FAILURE() << "another answer for the same key: " << answer.body;
    }
  }

  void look() {
    const auto user = account();
    if (!user) {
      return;
    }
    static const std::vector<std::string> kPaths{"/users/me", "/jobs?limit=20", "/datasets",
                                                 "/users/me/transactions?limit=20"};
    const auto& path =
        kPaths[static_cast<std::size_t>(number(0, static_cast<int>(kPaths.size()) - 1))];
    send("look", *user, "GET", path, {200});
  }

  Property& test_;
  std::mt19937 random_;
  http::Client client_;
};

void Property::round(std::int64_t operations, bool restart_postgres, std::mt19937& random) {
  std::atomic<std::int64_t> left = operations;
  std::atomic<int> running = kClients;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([this, &left, &running, seed = static_cast<unsigned>(random())] {
      RandomClient client{*this, seed};
      while (left-- > 0) {
        client.act();
      }
      --running;
    });
  }
  const auto pause = [&](int least, int most) {
    const int milliseconds = std::uniform_int_distribution<int>{least, most}(random);
    for (int i = 0; i < milliseconds / 10 && running > 0; ++i) {
      std::this_thread::sleep_for(10ms);
    }
  };
  while (running > 0) {
    pause(300, 2500);
    if (running == 0) {
      break;
    }
    if (restart_postgres) {
      server_.stop_database("immediate");
      server_.start_database();
      ++postgres_crashes_;
      restart_postgres = false;
    } else if (random() % 2 == 0) {
      server_.kill();
      ++server_kills_;
      pause(0, 300);
      server_.start();
    } else {
      kill_worker();
      ++worker_kills_;
      pause(0, 300);
      start_worker();
    }
  }
  for (auto& client : clients) {
    client.join();
  }
}

void Property::expect_sound() {
  // Each line is one statement, and so one snapshot: the worker goes on meanwhile.
  const std::vector<std::pair<const char*, const char*>> impossible{
      {"a negative balance", R"(SELECT id FROM "Users" WHERE tokens < 0)"},
      {"a balance that is not the sum of its entries",
       R"(SELECT id FROM "Users" AS u WHERE tokens <>
            (SELECT sum(amount) FROM "LedgerEntries" WHERE user_id = u.id))"},
      {"a job that is not charged for what was processed",
       R"(SELECT id, status, price, images, done,
                 (SELECT sum(amount) FROM "LedgerEntries" WHERE job_id = job.id) AS paid
            FROM "InferenceJobs" AS job
           WHERE (SELECT -sum(amount) FROM "LedgerEntries" WHERE job_id = job.id) IS DISTINCT FROM
                 price * CASE status WHEN 'FAILED' THEN 0 WHEN 'PENDING' THEN images
                                     WHEN 'RUNNING' THEN images ELSE done END
              OR finished_at IS NOT NULL AND cost <> CASE status WHEN 'FAILED' THEN 0
                                                                 ELSE price * done END)"},
      {"a hold that is not the job's",
       R"(SELECT job.id, status FROM "InferenceJobs" AS job
            LEFT JOIN "Holds" AS hold ON hold.job_id = job.id
           WHERE hold.job_id IS NULL OR held <> price * images
              OR (closed_at IS NULL) <> (status IN ('PENDING', 'RUNNING'))
              OR settled <> CASE status WHEN 'FAILED' THEN 0 ELSE price * done END)"},
      {"a job in no legal state",
       R"(SELECT id, status FROM "InferenceJobs" AS job WHERE NOT CASE
            WHEN status IN ('PENDING', 'RUNNING') THEN
              EXISTS (SELECT FROM "Segments" WHERE job_id = job.id AND state IN ('PENDING', 'LEASED'))
              AND NOT EXISTS (SELECT FROM "Results" WHERE "inferenceJob_id" = job.id)
            ELSE NOT EXISTS (SELECT FROM "Segments" WHERE job_id = job.id
                                AND state IN ('BLOCKED', 'PENDING', 'LEASED'))
              AND (status = 'COMPLETED') =
                  EXISTS (SELECT FROM "Results" WHERE "inferenceJob_id" = job.id) END)"},
      {"an open job in a deleted dataset",
       R"(SELECT job.id FROM "InferenceJobs" AS job JOIN "Datasets" AS d ON d.id = job.dataset_id
           WHERE d.deleted_at IS NOT NULL AND job.status IN ('PENDING', 'RUNNING'))"},
      {"a video that was not paid for once",
       R"(SELECT id FROM "Videos" AS v WHERE (SELECT count(*) || ' ' || sum(amount) FROM "LedgerEntries"
            WHERE kind = 'upload' AND video_id = v.id) IS DISTINCT FROM '1 ' || -0.001 * v.frame_count)"},
      {"a blob that nothing refers to, for ever",
       R"(SELECT id FROM "Blobs" AS b WHERE expires_at IS NULL
             AND NOT EXISTS (SELECT FROM "Videos" WHERE file = b.id)
             AND NOT EXISTS (SELECT FROM "Results" WHERE b.id IN (image_zip, frames, image_index, video))
             AND NOT EXISTS (SELECT FROM "Segments" WHERE b.id IN (images_blob, frames_blob))
             AND NOT EXISTS (SELECT FROM "Assemblies" WHERE b.id IN
                               (images_blob, frames_blob, directory_blob, index_blob)))"},
      {"a blob in use that will be swept",
       R"(SELECT id FROM "Blobs" AS b WHERE expires_at IS NOT NULL AND (
             EXISTS (SELECT FROM "Videos" WHERE file = b.id)
             OR EXISTS (SELECT FROM "Results" WHERE b.id IN (image_zip, frames, image_index, video))
             OR EXISTS (SELECT FROM "Segments" WHERE b.id IN (images_blob, frames_blob))))"},
      {"a file whose bytes are not all there",
       R"(SELECT v.id FROM "Videos" AS v JOIN "Blobs" AS b ON b.id = v.file WHERE b.size <>
             (SELECT coalesce(sum(length(bytes)), 0) FROM "BlobParts" AS part
                JOIN "Chunks" AS chunk ON chunk.id = part.chunk AND length(bytes) >= part.size
               WHERE blob_id = b.id))"},
      {"an assembly that nothing will finish",
       R"(SELECT a.job_id FROM "Assemblies" AS a JOIN "InferenceJobs" AS job ON job.id = a.job_id
           WHERE job.status = 'COMPLETED')"},
      {"a key without its answer", R"(SELECT key FROM "IdempotencyKeys" WHERE status = 0)"}};
  for (const auto& [what, query] : impossible) {
    const auto rows = server_.sql(query);
    violations_ += static_cast<int>(rows.size());
    EXPECT_TRUE(rows.empty()) << what << ": " << fmt::format("{}", fmt::join(rows.front(), " "));
  }
  const auto verified = server_.command({"ledger:verify"});
  violations_ += verified.status == 0 ? 0 : 1;
  EXPECT_EQ(verified.status, 0) << verified.output;
  // What the clients were told is what happened, once.
  for (const auto& account : accounts_) {
    const auto row =
        server_
            .sql(
                "SELECT coalesce(sum(amount) FILTER (WHERE kind = 'recharge'), 0)::numeric(18,3), "
                "count(*) FILTER (WHERE kind = 'upload') - 1, count(*) FILTER (WHERE kind = 'job') "
                "FROM \"LedgerEntries\" WHERE user_id = '" +
                account->id + "'")
            .at(0);
    const std::vector<std::string> told{Tokens::from_thousandths(account->recharged).to_string(),
                                        std::to_string(account->uploads),
                                        std::to_string(account->jobs_accepted)};
    violations_ += row == told ? 0 : 1;
    EXPECT_EQ(row, told);
  }
}

// Every job ends, and then nothing but what is referred to is left.
void Property::settle_everything() {
  wait_until("the end of all jobs", [&] {
    return server_.value(
               R"(SELECT count(*) FROM "InferenceJobs" WHERE status IN ('PENDING', 'RUNNING'))") ==
           "0";
  });
}

TEST_F(Property, EveryTokenIsAccountedForWhateverDies) {
  const bool is_long = long_tests_wanted();
  const std::int64_t total = is_long ? 100'000 : 3'000;
  const int rounds = is_long ? 20 : 3;
  std::mt19937 random{seed_};
  const auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < rounds && !HasFatalFailure(); ++i) {
    round(total / rounds, i == 1, random);
    expect_sound();
  }
  // What is still waiting is taken back, but for the newest.
  for (const auto& row : server_.sql(R"(SELECT id, user_id FROM "InferenceJobs"
         WHERE status = 'PENDING' ORDER BY created_at DESC, id OFFSET 20)")) {
    for (const auto& account : accounts_) {
      if (account->id == row[1]) {
        http::Client client{"127.0.0.1", server_.port()};
        client.set_token(account->token);
        client.request("POST", "/api/v1/jobs/" + row[0] + "/abort");
      }
    }
  }
  settle_everything();
  expect_sound();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  std::printf(
      "seed %u: %lld operations by %d clients in %.0f s, %lld asked again; SIGKILL: server %d, "
      "worker %d; PostgreSQL crashed %d; violations: %d\n",
      seed_, static_cast<long long>(operations_), kClients, seconds,
      static_cast<long long>(lost_answers_), server_kills_, worker_kills_, postgres_crashes_,
      violations_.load());
  for (const auto& [name, counts] : statuses_) {
    std::string line;
    for (const auto& [status, times] : counts) {
      line += fmt::format(" {}: {}", status, times);
    }
    std::printf("  %-16s%s\n", name.c_str(), line.c_str());
  }
  // Not wrong, since the client is told to ask again, but a sign that somebody ignores the order of
  // locks.
  const auto deadlocks = run_process({"sh", "-c",
                                      "cat " + (server_.folder() / "data/postgres").string() +
                                          "/*.log | grep -c 'ERROR:  deadlock detected'"});
  std::printf("  deadlocks: %s", deadlocks.output.c_str());
  std::printf(
      "  jobs: %s\n",
      server_
          .value(R"(SELECT string_agg(status || ' ' || n, ', ') FROM (SELECT status, count(*) AS n
                               FROM "InferenceJobs" GROUP BY status ORDER BY status) AS s)")
          .c_str());
}

}  // namespace
}  // namespace infernode::test
