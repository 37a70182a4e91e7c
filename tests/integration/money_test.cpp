// Goal: tokens are held, settled and given back exactly; a repeated request acts once; whatever was
// done to the ledger is found.
// Method: the real server over HTTP, many clients at once, and the database looked at behind its
// back.
#include <gtest/gtest.h>

#include <barrier>
#include <mutex>
#include <set>
#include <thread>

#include "core/json.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

class Money : public testing::Test {
protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<TestServer>();
    write_clip(server_->folder() / "tiny.mkv", 6, 6);
    write_clip(server_->folder() / "broken.mkv", 6, 3);
    admin_ = std::make_unique<TestUser>(*server_, TestUser::admin);
  }
  static void TearDownTestSuite() {
    admin_.reset();
    server_.reset();
  }
  void TearDown() override {
    const auto verified = server_->command({"ledger:verify"});
    EXPECT_EQ(verified.status, 0) << verified.output;
    EXPECT_EQ(server_->value(R"(SELECT count(*) FROM "Users" AS u WHERE tokens <>
                  (SELECT sum(amount) FROM "LedgerEntries" WHERE user_id = u.id))"),
              "0");
  }

  static TestUser::Footage footage(TestUser& user, const std::string& clip = "tiny.mkv") {
    TestUser::Footage made{user.create_dataset(clip), ""};
    const auto answer = user.upload(made.dataset, server_->folder() / clip);
    EXPECT_EQ(answer.status, 201) << answer.body;
    made.video = text(json::parse(answer.body), "id");
    return made;
  }
  static std::string job_request(const std::string& video, json::object more = {}) {
    json::object params{{"pipeline", "detect"}};
    for (auto& [key, value] : more) {
      params[key] = value;
    }
    return json_text(json::object{{"video_ids", json::array{video}}, {"params", params}});
  }
  static std::string job_of(const http::ClientResponse& answer) {
    EXPECT_EQ(answer.status, 201) << answer.body;
    return text(json::parse(answer.body).at("jobs").at(0), "id");
  }
  // Of a hold: "held settled released closed".
  static std::string hold_of(const std::string& job) {
    const auto row = server_
                         ->sql(
                             "SELECT held, settled, released, closed_at IS NOT NULL FROM "
                             "\"Holds\" WHERE job_id = '" +
                             job + "'")
                         .at(0);
    return row[0] + " " + row[1] + " " + row[2] + " " + row[3];
  }

  static std::unique_ptr<TestServer> server_;
  static std::unique_ptr<TestUser> admin_;
};
std::unique_ptr<TestServer> Money::server_;
std::unique_ptr<TestUser> Money::admin_;

TEST_F(Money, IsSettledForWhatWasProcessedAndReleasedForTheRest) {
  TestUser user{*server_};
  const auto sound = footage(user);
  EXPECT_EQ(user.balance().to_string(), "99.994");
  const auto job = job_of(user.send("POST", "/jobs", job_request(sound.video)));
  EXPECT_EQ(user.balance().to_string(), "99.982");
  EXPECT_EQ(text(user.wait_for_end(job), "status"), "COMPLETED");
  EXPECT_EQ(hold_of(job), "0.012 0.012 0.000 t");
  // Three of these six frames cannot be decoded: they are not paid for.
  const auto broken = footage(user, "broken.mkv");
  const auto half = job_of(user.send("POST", "/jobs", job_request(broken.video)));
  const auto ended = user.wait_for_end(half);
  EXPECT_EQ(text(ended, "status"), "COMPLETED") << json_text(ended);
  EXPECT_EQ(json_text(ended.at("cost")), "0.006");
  EXPECT_EQ(hold_of(half), "0.012 0.006 0.006 t");
  // Nothing of these can: the job fails and everything comes back.
  const Tokens before = user.balance();
  const auto none =
      job_of(user.send("POST", "/jobs", job_request(broken.video, {{"start_frame", 3}})));
  const auto failed = user.wait_for_end(none);
  EXPECT_EQ(text(failed, "status"), "FAILED");
  EXPECT_EQ(hold_of(none), "0.006 0.000 0.006 t");
  EXPECT_EQ(json_text(failed.at("cost")), "0");
  EXPECT_EQ(user.balance(), before);
}

TEST_F(Money, IsReleasedByAnAbort) {
  TestUser user{*server_};
  const auto clip = user.with_footage("long");
  const auto job = job_of(user.send("POST", "/jobs", job_request(clip.video)));
  user.wait_for_progress(job, 1);
  const auto aborted = user.call(200, "POST", "/jobs/" + job + "/abort");
  const auto row = server_
                       ->sql(
                           "SELECT held, settled, settled + released = held, closed_at IS NOT "
                           "NULL FROM \"Holds\" WHERE job_id = '" +
                           job + "'")
                       .at(0);
  EXPECT_EQ(row[0], "0.240");
  EXPECT_EQ(Tokens::parse(row[1]), Tokens::parse(json_text(aborted.at("cost"))));
  EXPECT_EQ(row[2] + row[3], "tt");
}

TEST_F(Money, IsExplainedWhenThereIsTooLittle) {
  TestUser user{*server_};
  const auto clip = footage(user);
  server_->spend(user.email(), "99.984");  // 0.010 is left
  const auto quote = user.call(200, "POST", "/jobs/quote", json::parse(job_request(clip.video)));
  EXPECT_EQ(integer(quote, "images"), 6);
  EXPECT_EQ(json_text(quote.at("cost")), "0.012");
  EXPECT_EQ(json_text(quote.at("available")), "0.01");
  const auto refused = user.send("POST", "/jobs", job_request(clip.video));
  ASSERT_EQ(refused.status, 402);
  const auto problem = json::parse(refused.body);
  EXPECT_EQ(text(problem, "type"), "/problems/insufficient-tokens");
  EXPECT_EQ(json_text(problem.at("required")), "0.012");
  EXPECT_EQ(json_text(problem.at("available")), "0.01");
  EXPECT_EQ(
      server_->value("SELECT count(*) FROM \"InferenceJobs\" WHERE user_id = '" + user.id() + "'"),
      "0");
  server_->spend(user.email(), "0.01");
  EXPECT_EQ(user.upload(clip.dataset, server_->folder() / "tiny.mkv").status, 402);
  // Nothing but the smallest amount is missing: it suffices.
  user.call(404, "POST", "/jobs/" + user.id() + "/abort");
  admin_->call(201, "POST", "/admin/users/" + user.id() + "/recharge",
               json::object{{"tokens", 0.012}});
  job_of(user.send("POST", "/jobs", job_request(clip.video)));
  EXPECT_EQ(user.balance().to_string(), "0.000");
}

// A thousand clients at once, and tokens for a hundred of them.
TEST(Crowd, GetsExactlyWhatItCanPayFor) {
  TestServer server{{{"INFERNODE_WORKERS", "0"}, {"INFERNODE_MAX_CONNECTIONS_OF_ADDRESS", "2000"}}};
  write_clip(server.folder() / "tiny.mkv", 1, 1);
  TestUser user{server};
  const std::string dataset = user.create_dataset("crowd");
  const auto uploaded = user.upload(dataset, server.folder() / "tiny.mkv");
  ASSERT_EQ(uploaded.status, 201) << uploaded.body;
  const std::string video = text(json::parse(uploaded.body), "id");
  server.spend(user.email(), "99.799");  // 0.2 is left: 100 images
  const std::string body = json_text(
      json::object{{"video_ids", json::array{video}}, {"params", {{"pipeline", "detect"}}}});
  constexpr int kClients = 1000;
  std::mutex mutex;
  std::map<int, int> answers;
  std::barrier ready{kClients};
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&] {
      const auto client = user.new_client();
      ready.arrive_and_wait();
      const int status = client->request("POST", "/api/v1/jobs", body).status;
      const std::lock_guard lock{mutex};
      ++answers[status];
    });
  }
  for (auto& client : clients) {
    client.join();
  }
  EXPECT_EQ(answers, (std::map<int, int>{{201, 100}, {402, 900}}));
  EXPECT_EQ(user.balance().to_string(), "0.000");
  EXPECT_EQ(server.value("SELECT count(*) || ' ' || sum(cost) FROM \"InferenceJobs\""),
            "100 0.200");
  EXPECT_EQ(server.value("SELECT count(*) FROM \"Holds\" WHERE closed_at IS NULL"), "100");
  const auto verified = server.command({"ledger:verify"});
  EXPECT_EQ(verified.status, 0) << verified.output;
}

TEST(Prices, AreConfiguredAndKeptByAJob) {
  TestServer server{{{"INFERNODE_WORKERS", "0"},
                     {"INFERNODE_PRICE_UPLOAD_FRAME", "0.5"},
                     {"INFERNODE_PRICE_INFERENCE_IMAGE", "1.25"}}};
  write_clip(server.folder() / "tiny.mkv", 6, 6);
  std::string job;
  auto user = std::make_unique<TestUser>(server);
  {
    const std::string dataset = user->create_dataset("d");
    const auto uploaded = user->upload(dataset, server.folder() / "tiny.mkv");
    const std::string video = text(json::parse(uploaded.body), "id");
    EXPECT_EQ(user->balance().to_string(), "97.000");
    const json::object request{{"video_ids", json::array{video}},
                               {"params", {{"pipeline", "detect"}}}};
    EXPECT_EQ(json_text(user->call(200, "POST", "/jobs/quote", request).at("cost")), "7.5");
    job = text(user->call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
    EXPECT_EQ(user->balance().to_string(), "89.500");
  }
  server.stop();
  server.set("INFERNODE_PRICE_INFERENCE_IMAGE", "3");
  server.start();
  user->connect(server);
  user->call(200, "POST", "/jobs/" + job + "/abort");
  EXPECT_EQ(user->balance().to_string(), "97.000");
  server.stop();
  server.set("INFERNODE_PRICE_INFERENCE_IMAGE", "0");
  server.start();
  user->connect(server);
  const auto videos = user->call(200, "GET", "/jobs");
  const std::string video = text(videos.at("items").at(0), "video_id");
  const json::object request{{"video_ids", json::array{video}},
                             {"params", {{"pipeline", "detect"}}}};
  const auto free = user->call(201, "POST", "/jobs", request);
  user->call(200, "POST", "/jobs/" + text(free.at("jobs").at(0), "id") + "/abort");
  EXPECT_EQ(user->balance().to_string(), "97.000");
}

// --- Idempotency-Key ----------------------------------------------------------------------------

TEST_F(Money, IsSpentOnceForAKey) {
  TestUser user{*server_};
  TestUser other{*server_};
  const auto clip = footage(user);
  const Tokens before = user.balance();
  const std::string body = job_request(clip.video);
  const std::map<std::string, std::string> key{{"Idempotency-Key", "job-1"}};
  const auto first = user.send("POST", "/jobs", body, key);
  ASSERT_EQ(first.status, 201);
  user.wait_for_end(job_of(first));  // the answer stays the first one all the same
  for (int i = 0; i < 3; ++i) {
    const auto again = user.send("POST", "/jobs", body, key);
    EXPECT_EQ(again.status, 201);
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(again.headers.at("content-type"), "application/json");
  }
  EXPECT_EQ(user.balance(), before - Tokens::from_thousandths(12));
  // Another request under the same key is refused, wherever it differs.
  for (const auto& [path, different] :
       {std::pair<std::string, std::string>{"/jobs", job_request(clip.video, {{"end_frame", 2}})},
        {"/datasets", R"({"name":"job-1"})"}}) {
    const auto refused = user.send("POST", path, different, key);
    EXPECT_EQ(refused.status, 422) << refused.body;
    EXPECT_EQ(text(json::parse(refused.body).at("errors").at(0), "pointer"), "Idempotency-Key");
  }
  // Keys belong to their user.
  EXPECT_EQ(other.send("POST", "/datasets", R"({"name":"job-1"})", key).status, 201);
  EXPECT_EQ(other.send("POST", "/jobs", body, {{"Idempotency-Key", "job-2"}}).status, 404);
  for (const std::string& wrong :
       {std::string(256, 'k'), std::string{"two words"}, std::string{"\xc3\xa9"}}) {
    EXPECT_EQ(
        user.send("POST", "/datasets", R"({"name":"x"})", {{"Idempotency-Key", wrong}}).status, 400)
        << wrong;
  }
}

TEST_F(Money, IsNotTiedToAKeyOfARefusedRequest) {
  TestUser user{*server_};
  const auto clip = footage(user);
  server_->spend(user.email(), "99.994");
  const std::map<std::string, std::string> key{{"Idempotency-Key", "poor"}};
  EXPECT_EQ(user.send("POST", "/jobs", job_request(clip.video), key).status, 402);
  EXPECT_EQ(server_->value("SELECT count(*) FROM \"IdempotencyKeys\" WHERE user_id = '" +
                           user.id() + "'"),
            "0");
  admin_->call(201, "POST", "/admin/users/" + user.id() + "/recharge", json::object{{"tokens", 1}});
  EXPECT_EQ(user.send("POST", "/jobs", job_request(clip.video), key).status, 201);
}

TEST_F(Money, IsSpentOnceHoweverManyAskAtOnce) {
  TestUser user{*server_};
  const auto clip = footage(user);
  const std::string recharge = "/api/v1/admin/users/" + user.id() + "/recharge";
  const std::string started = server_->value("SELECT now()");
  const Tokens before = user.balance();
  constexpr int kClients = 16;
  const auto ask = [&](const TestUser& as,
                       const std::function<http::ClientResponse(http::Client&)>& request) {
    std::mutex mutex;
    std::set<std::string> answers;
    std::vector<std::thread> clients;
    std::barrier ready{kClients};
    for (int i = 0; i < kClients; ++i) {
      clients.emplace_back([&] {
        const auto client = as.new_client();
        ready.arrive_and_wait();
        const auto answer = request(*client);
        const std::lock_guard lock{mutex};
        answers.insert(std::to_string(answer.status) + " " + answer.body);
      });
    }
    for (auto& client : clients) {
      client.join();
    }
    EXPECT_EQ(answers.size(), 1U) << *answers.begin() << "\n" << *answers.rbegin();
    EXPECT_TRUE(answers.begin()->starts_with("201")) << *answers.begin();
  };
  const std::map<std::string, std::string> key{{"Idempotency-Key", "crowd"}};
  ask(*admin_, [&](http::Client& client) {
    return client.request("POST", recharge, R"({"tokens":5.5,"note":"welcome"})",
                          {{"Idempotency-Key", user.id()}});
  });
  EXPECT_EQ(user.balance(), before + Tokens::from_thousandths(5500));
  ask(user, [&](http::Client& client) {
    return client.request("POST", "/api/v1/jobs", job_request(clip.video), key);
  });
  ask(user, [&](http::Client& client) {
    return client.request("POST", "/api/v1/datasets", R"({"name":"once"})",
                          {{"Idempotency-Key", "crowd-2"}});
  });
  ask(user, [&](http::Client& client) {
    return client.upload("/api/v1/datasets/" + clip.dataset + "/videos",
                         server_->folder() / "tiny.mkv", "copy", {{"Idempotency-Key", "crowd-3"}});
  });
  EXPECT_EQ(
      server_->value("SELECT count(*) FROM \"InferenceJobs\" WHERE user_id = '" + user.id() + "'"),
      "1");
  EXPECT_EQ(
      server_->value("SELECT count(*) FROM \"Videos\" WHERE dataset_id = '" + clip.dataset + "'"),
      "2");
  wait_until("the end of the uploads that came too late", [&] {
    return server_->value(
               "SELECT count(*) FROM \"Blobs\" WHERE expires_at IS NOT NULL AND created_at >= '" +
               started + "'") == "0";
  });
}

TEST_F(Money, IsSpentAgainOnceAKeyHasExpired) {
  TestUser user{*server_};
  const std::map<std::string, std::string> key{{"Idempotency-Key", "old"}};
  const auto first = user.send("POST", "/datasets", R"({"name":"first"})", key);
  ASSERT_EQ(first.status, 201);
  const std::string mine = " WHERE user_id = '" + user.id() + "'";
  EXPECT_EQ(server_->value(
                "SELECT expires_at - now() > interval '23 hours' FROM \"IdempotencyKeys\"" + mine),
            "t");
  server_->sql("UPDATE \"IdempotencyKeys\" SET expires_at = now()" + mine);
  EXPECT_EQ(user.send("POST", "/datasets", R"({"name":"second"})", key).status, 201);
  server_->sql("UPDATE \"IdempotencyKeys\" SET expires_at = now()" + mine);
  wait_until("the sweep of the key", [&] {
    return server_->value("SELECT count(*) FROM \"IdempotencyKeys\"" + mine) == "0";
  });
}

// --- Soft delete --------------------------------------------------------------------------------

TEST_F(Money, OfAJobComesBackWhenItsDatasetIsDeleted) {
  TestUser user{*server_};
  const auto clip = user.with_footage("deleted");
  const auto tags = [&] {
    return user.send("PATCH", "/datasets/" + clip.dataset, R"({"tags":["soft-delete"]})").status;
  };
  EXPECT_EQ(tags(), 200);
  const auto ended =
      job_of(user.send("POST", "/jobs", job_request(clip.video, {{"end_frame", 2}})));
  user.wait_for_end(ended);
  const auto running = job_of(user.send("POST", "/jobs", job_request(clip.video)));
  const auto waiting =
      job_of(user.send("POST", "/jobs", job_request(clip.video, {{"end_frame", 9}})));
  user.wait_for_progress(running, 1);
  user.call(204, "DELETE", "/datasets/" + clip.dataset);

  // Unseen in every read, list, count and search.
  const auto unseen = [&](int expected) {
    for (const std::string& path :
         {"/datasets/" + clip.dataset, "/datasets/" + clip.dataset + "/videos",
          "/videos/" + clip.video, "/videos/" + clip.video + "/content",
          "/videos/" + clip.video + "/thumbnail", "/jobs/" + ended, "/jobs/" + running,
          "/jobs/" + ended + "/result", "/jobs/" + ended + "/images",
          "/jobs/" + ended + "/images/0"}) {
      const int status = user.send("GET", path).status;
      if (path == "/jobs/" + running || expected == 404) {
        EXPECT_EQ(status, expected) << path;
      } else {
        EXPECT_EQ(status, 200) << path;
      }
    }
    const std::size_t seen = expected == 200 ? 1 : 0;
    const auto items = [&](const std::string& path) {
      return user.call(200, "GET", path).at("items").as_array().size();
    };
    EXPECT_EQ(items("/datasets"), seen);
    EXPECT_EQ(items("/datasets?q=deleted"), seen);
    EXPECT_EQ(items("/datasets?tag=soft-delete"), seen);
    EXPECT_EQ(items("/datasets?deleted=true"), 1 - seen);
    EXPECT_EQ(items("/jobs"), 3 * seen);
    EXPECT_EQ(items("/jobs?status=COMPLETED"), seen);
    EXPECT_EQ(items("/jobs?status=ABORTED"), 2 * seen);
    EXPECT_EQ(items("/jobs?dataset_id=" + clip.dataset), 3 * seen);
    EXPECT_EQ(items("/jobs?video_id=" + clip.video), 3 * seen);
    const auto listed = user.call(200, "GET", "/tags");
    for (const auto& tag : listed.at("items").as_array()) {
      if (text(tag, "name") == "soft-delete") {
        EXPECT_EQ(integer(tag, "datasets"), static_cast<std::int64_t>(seen));
      }
    }
  };
  unseen(404);
  user.call(404, "POST", "/jobs/" + running + "/abort");
  user.call(404, "DELETE", "/videos/" + clip.video);
  EXPECT_EQ(user.send("POST", "/jobs", job_request(clip.video)).status, 404);
  EXPECT_EQ(user.upload(clip.dataset, kClip).status, 404);
  for (const auto& job : {running, waiting}) {
    EXPECT_EQ(server_->value("SELECT status FROM \"InferenceJobs\" WHERE id = '" + job + "'"),
              "ABORTED");
    EXPECT_EQ(
        server_->value("SELECT closed_at IS NOT NULL FROM \"Holds\" WHERE job_id = '" + job + "'"),
        "t");
    EXPECT_EQ(server_->value("SELECT count(*) FROM \"Segments\" WHERE job_id = '" + job +
                             "' AND state IN ('PENDING', 'LEASED', 'BLOCKED')"),
              "0");
  }
  // What is charged is what was processed.
  EXPECT_EQ(
      server_->value("SELECT (SELECT -sum(amount) FROM \"LedgerEntries\" WHERE kind IN ('job', "
                     "'refund') AND user_id = '" +
                     user.id() +
                     "') = (SELECT sum(done * price) "
                     "FROM \"InferenceJobs\" WHERE user_id = '" +
                     user.id() + "')"),
      "t");
  // The name is free, until it is taken again.
  const std::string taken = user.create_dataset("deleted");
  user.call(409, "POST", "/datasets/" + clip.dataset + "/restore");
  user.call(200, "PATCH", "/datasets/" + taken, json::object{{"name", "something else"}});
  user.call(204, "DELETE", "/datasets/" + taken);
  server_->sql("DELETE FROM \"Datasets\" WHERE id = '" + taken + "'");
  user.call(200, "POST", "/datasets/" + clip.dataset + "/restore");
  unseen(200);
}

// --- The check ----------------------------------------------------------------------------------

TEST(LedgerCheck, FindsWhateverWasDoneToTheLedger) {
  TestServer server;
  TestUser admin{server, TestUser::admin};
  TestUser user{server};
  server.spend(user.email(), "1.5");
  admin.call(201, "POST", "/admin/users/" + user.id() + "/recharge",
             json::object{{"tokens", 2.25}, {"note", "gr\xc3\xbc\xc3\x9f | sie"}});
  const auto check = [&] { return admin.call(200, "GET", "/admin/ledger/check"); };
  EXPECT_TRUE(check().at("sound").as_bool()) << json_text(check());
  EXPECT_EQ(integer(check(), "accounts"), 2);
  EXPECT_EQ(integer(check(), "entries"), 4);
  EXPECT_EQ(server.command({"ledger:verify"}).status, 0);
  user.call(403, "GET", "/admin/ledger/check");

  // Somebody who can switch the triggers off gets around them, but not around the chain.
  const auto tamper = [&](const std::string& statement) {
    server.sql(
        "ALTER TABLE \"LedgerEntries\" DISABLE TRIGGER ALL; ALTER TABLE \"Users\" DISABLE "
        "TRIGGER ALL; " +
        statement +
        "; ALTER TABLE \"LedgerEntries\" ENABLE TRIGGER ALL; "
        "ALTER TABLE \"Users\" ENABLE TRIGGER ALL");
  };
  const std::string entry = " WHERE user_id = '" + user.id() + "' AND seq = 2";
  const std::string account = " WHERE id = '" + user.id() + "'";
  const std::vector<std::pair<std::string, std::string>> tricks{
      {"UPDATE \"LedgerEntries\" SET note = 'x'" + entry,
       "UPDATE \"LedgerEntries\" SET note = NULL" + entry},
      {"UPDATE \"LedgerEntries\" SET amount = -1" + entry,
       "UPDATE \"LedgerEntries\" SET amount = -1.5" + entry},
      {"UPDATE \"LedgerEntries\" SET created_at = created_at + interval '1 microsecond'" + entry,
       "UPDATE \"LedgerEntries\" SET created_at = created_at - interval '1 microsecond'" + entry},
      {"UPDATE \"LedgerEntries\" SET seq = 9" + entry,
       "UPDATE \"LedgerEntries\" SET seq = 2 WHERE seq = 9"},
      {"UPDATE \"Users\" SET tokens = tokens + 1" + account,
       "UPDATE \"Users\" SET tokens = tokens - 1" + account},
      {"UPDATE \"Users\" SET ledger_length = 2" + account,
       "UPDATE \"Users\" SET ledger_length = 3" + account},
  };
  for (const auto& [trick, undo] : tricks) {
    tamper(trick);
    const auto found = check();
    EXPECT_FALSE(found.at("sound").as_bool()) << trick;
    EXPECT_EQ(text(found.at("faults").at(0), "user_id"), user.id()) << trick;
    const auto verified = server.command({"ledger:verify"});
    EXPECT_EQ(verified.status, 1) << trick;
    EXPECT_NE(verified.output.find("account " + user.id()), std::string::npos) << verified.output;
    tamper(undo);
    EXPECT_TRUE(check().at("sound").as_bool()) << undo << json_text(check());
  }
  tamper("DELETE FROM \"LedgerEntries\" WHERE user_id = '" + user.id() + "' AND seq = 3");
  EXPECT_NE(server.command({"ledger:verify"})
                .output.find("the chain ends here, but the account "
                             "counts 3 entries"),
            std::string::npos);
  tamper("DELETE FROM \"LedgerEntries\" WHERE user_id = '" + user.id() + "'");
  EXPECT_NE(server.command({"ledger:verify"}).output.find("the account has no entry"),
            std::string::npos);
}

}  // namespace
}  // namespace infernode::test
