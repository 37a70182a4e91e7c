// Goal: accounts, tokens and datasets behave as the contract says, and users never see each other.
// Method: the real server over HTTP.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include "core/id.hpp"
#include "core/json.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

class Accounts : public testing::Test {
protected:
  static void SetUpTestSuite() { server_ = std::make_unique<TestServer>(); }
  static void TearDownTestSuite() { server_.reset(); }
  static std::unique_ptr<TestServer> server_;
};
std::unique_ptr<TestServer> Accounts::server_;

TEST_F(Accounts, RegisterLogInAndSeeTheOpeningBalance) {
  TestUser user{*server_};
  const auto me = user.call(200, "GET", "/users/me");
  EXPECT_EQ(text(me, "email"), user.email());
  EXPECT_EQ(text(me, "role"), "user");
  EXPECT_EQ(integer(me, "tokens"), 100);
  EXPECT_FALSE(me.as_object().contains("password"));
  const auto ledger = user.call(200, "GET", "/users/me/transactions");
  ASSERT_EQ(ledger.at("items").as_array().size(), 1U);
  EXPECT_EQ(text(ledger.at("items").at(0), "kind"), "opening");
  EXPECT_TRUE(ledger.at("next_cursor").is_null());
}

TEST_F(Accounts, RefuseWhatIsTakenOrUnsound) {
  TestUser user{*server_};
  const auto attempt = [&](const std::string& email, const std::string& password) {
    return user
        .send("POST", "/auth/register",
              json::serialize(json::object{{"email", email}, {"password", password}}))
        .status;
  };
  std::string capitals = user.email();
  capitals[0] = 'T';
  EXPECT_EQ(attempt(user.email(), "another password"), 409);
  EXPECT_EQ(attempt(capitals, "another password"), 409);
  EXPECT_EQ(attempt("nobody", "another password"), 422);
  EXPECT_EQ(attempt("a@b", "another password"), 422);
  EXPECT_EQ(attempt("short@example.com", "1234567"), 422);
  EXPECT_EQ(attempt("long@example.com", std::string(73, 'x')), 422);
  EXPECT_EQ(attempt("tab\t@example.com", "another password"), 422);
}

TEST_F(Accounts, GiveTheSameAnswerForUnknownAddressAndWrongPassword) {
  TestUser user{*server_};
  const auto attempt = [&](const std::string& email) {
    auto answer = user.send("POST", "/auth/login",
                            json::serialize(json::object{{"email", email}, {"password", "wrong"}}));
    EXPECT_EQ(answer.status, 401);
    auto body = json::parse(answer.body).as_object();
    body.erase("instance");
    return json::serialize(body);
  };
  EXPECT_EQ(attempt(user.email()), attempt("unknown@example.com"));
}

TEST_F(Accounts, NeedAToken) {
  http::Client client{"127.0.0.1", server_->port()};
  for (const char* path :
       {"/api/v1/users/me", "/api/v1/datasets", "/api/v1/jobs", "/api/v1/pipelines"}) {
    const auto answer = client.request("GET", path);
    EXPECT_EQ(answer.status, 401) << path;
    EXPECT_EQ(answer.headers.at("content-type"), "application/problem+json");
  }
  client.set_token("nonsense");
  EXPECT_EQ(client.request("GET", "/api/v1/users/me").status, 401);
}

TEST_F(Accounts, PublishTheKeyAndHealth) {
  http::Client client{"127.0.0.1", server_->port()};
  const auto keys = json::parse(client.request("GET", "/.well-known/jwks.json").body);
  EXPECT_EQ(text(keys.at("keys").at(0), "kty"), "RSA");
  EXPECT_EQ(client.request("GET", "/healthz").status, 200);
  EXPECT_EQ(client.request("GET", "/readyz").status, 200);
  EXPECT_NE(client.request("GET", "/").body.find("InferNode"), std::string::npos);
  EXPECT_EQ(text(json::parse(client.request("GET", "/openapi.json").body), "openapi"), "3.1.0");
  EXPECT_EQ(text(json::parse(client.request("GET", "/schemas/model.json").body), "title"),
            "Manifest of a model for InferNode");
  EXPECT_EQ(client.request("HEAD", "/healthz").body, "");
}

TEST_F(Accounts, AreFoundWhateverTheCaseOfTheirAddress) {
  TestUser user{*server_};
  std::string shouted = user.email();
  for (auto& c : shouted) {
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  user.call(200, "POST", "/auth/login",
            json::object{{"email", shouted}, {"password", TestUser::kPassword}});
}

TEST_F(Accounts, ChangeTheirPasswordAndEndOlderTokens) {
  TestUser user{*server_};
  const auto elsewhere = user.new_client();
  const auto change = [&](const char* current, const std::string& next) {
    return user.send(
        "POST", "/users/me/password",
        json::serialize(json::object{{"current_password", current}, {"new_password", next}}));
  };
  const auto wrong = change("a bad password", "another password");
  EXPECT_EQ(wrong.status, 422);
  EXPECT_EQ(text(json::parse(wrong.body).at("errors").at(0), "pointer"), "/current_password");
  EXPECT_EQ(change(TestUser::kPassword, "short").status, 422);
  EXPECT_EQ(change(TestUser::kPassword, std::string(73, 'x')).status, 422);
  EXPECT_EQ(elsewhere->request("GET", "/api/v1/users/me").status, 200);
  EXPECT_EQ(change(TestUser::kPassword, "another password").status, 204);
  EXPECT_EQ(elsewhere->request("GET", "/api/v1/users/me").status, 401);
  EXPECT_EQ(user.send("GET", "/users/me").status, 401);
  user.call(401, "POST", "/auth/login",
            json::object{{"email", user.email()}, {"password", TestUser::kPassword}});
  user.log_in("another password");  // within the same second: the new token is valid all the same
  EXPECT_EQ(user.send("GET", "/users/me").status, 200);
}

// The cost is a setting; hashes follow it as their owners log in.
TEST_F(Accounts, FollowAChangedCostOfHashing) {
  TestServer server;
  TestUser user{server};
  const std::string hash = "SELECT password FROM \"Users\" WHERE email = '" + user.email() + "'";
  EXPECT_TRUE(server.value(hash).starts_with("$2b$04$"));
  server.stop();
  server.set("INFERNODE_BCRYPT_COST", "5");
  server.start();
  user.connect(server);
  EXPECT_EQ(user.send("GET", "/users/me").status, 200);
  user.log_in();
  EXPECT_TRUE(server.value(hash).starts_with("$2b$05$"));
  user.log_in();
}

class Throttle : public testing::Test {
protected:
  static int log_in(const TestServer& server, const std::string& email,
                    const std::string& password) {
    http::Client client{"127.0.0.1", server.port()};
    const auto answer =
        client.request("POST", "/api/v1/auth/login",
                       json::serialize(json::object{{"email", email}, {"password", password}}));
    if (answer.status == 429) {
      EXPECT_GT(std::stoi(answer.headers.at("retry-after")), 0);
      EXPECT_LE(std::stoi(answer.headers.at("retry-after")), 60);
    }
    return answer.status;
  }
};

TEST_F(Throttle, SlowsGuessesAtAnAccountDown) {
  TestServer server{
      {{"INFERNODE_LOGIN_FAILURES_PER_ACCOUNT", "3"}, {"INFERNODE_LOGIN_WINDOW_SECONDS", "60"}}};
  TestUser user{server};
  TestUser other{server};
  // Many at once do not slip through.
  std::mutex mutex;
  std::map<int, int> answers;
  std::vector<std::thread> guesses;
  for (int i = 0; i < 20; ++i) {
    guesses.emplace_back([&] {
      const int status = log_in(server, user.email(), "a guess");
      const std::lock_guard lock{mutex};
      ++answers[status];
    });
  }
  for (auto& guess : guesses) {
    guess.join();
  }
  EXPECT_EQ(answers, (std::map<int, int>{{401, 3}, {429, 17}}));
  // What is throttled already writes nothing: no row has moved.
  const char* const rows =
      "SELECT string_agg(subject || ctid::text || xmin::text, ' ' ORDER BY subject) FROM "
      "\"LoginFailures\"";
  const auto before = server.value(rows);
  EXPECT_EQ(log_in(server, user.email(), TestUser::kPassword), 429);
  EXPECT_EQ(server.value(rows), before);
  EXPECT_EQ(user.send("POST", "/users/me/password",
                      R"({"current_password":"a guess","new_password":"long enough"})")
                .status,
            429);
  EXPECT_EQ(log_in(server, other.email(), TestUser::kPassword), 200);
  // An address nobody has is no different.
  for (const int expected : {401, 401, 401, 429}) {
    EXPECT_EQ(log_in(server, "nobody@example.com", "a guess"), expected);
  }
  server.sql("UPDATE \"LoginFailures\" SET window_ends = now()");
  EXPECT_EQ(log_in(server, user.email(), "a guess"), 401);
  EXPECT_EQ(log_in(server, user.email(), TestUser::kPassword), 200);
  // From another address the owner gets in all the same; but guesses from everywhere add up.
  server.sql(
      "UPDATE \"LoginFailures\" SET failures = 0, pending = 0; UPDATE \"LoginFailures\" SET "
      "failures = 29 WHERE subject = 'account:" +
      user.email() + "'");
  EXPECT_EQ(log_in(server, user.email(), "a guess"), 401);
  EXPECT_EQ(log_in(server, user.email(), "a guess"), 429);
  server.sql("UPDATE \"LoginFailures\" SET failures = 29 WHERE subject = 'account:" + user.email() +
             "'");
  EXPECT_EQ(log_in(server, user.email(), TestUser::kPassword), 200);
  // Success forgets the failures before it.
  for (const int expected : {401, 401, 401, 429}) {
    EXPECT_EQ(log_in(server, user.email(), "a guess"), expected);
  }
}

TEST_F(Throttle, SlowsGuessesFromAnAddressDown) {
  TestServer server{
      {{"INFERNODE_LOGIN_FAILURES_PER_ADDRESS", "5"}, {"INFERNODE_LOGIN_WINDOW_SECONDS", "60"}}};
  TestUser user{server};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(log_in(server, "guess" + std::to_string(i) + "@example.com", "a guess"), 401);
  }
  EXPECT_EQ(log_in(server, user.email(), TestUser::kPassword), 429);
  EXPECT_EQ(user.send("GET", "/users/me").status, 200);
}

TEST_F(Throttle, LimitsAccountsFromAnAddress) {
  TestServer server{
      {{"INFERNODE_REGISTRATIONS_PER_ADDRESS", "3"}, {"INFERNODE_LOGIN_WINDOW_SECONDS", "60"}}};
  http::Client client{"127.0.0.1", server.port()};
  for (const int expected : {201, 201, 201, 429}) {
    const json::object credentials{{"email", UserId::random().to_string() + "@example.com"},
                                   {"password", "long enough"}};
    EXPECT_EQ(client.request("POST", "/api/v1/auth/register", json::serialize(credentials)).status,
              expected);
  }
  EXPECT_EQ(server.value("SELECT count(*) FROM \"Users\""), "3");
}

// Too many logins at once are put off; everybody else is served meanwhile.
TEST(HashQueue, RefusesRatherThanStalls) {
  TestServer server{{{"INFERNODE_HASH_QUEUE", "2"},
                     {"INFERNODE_BCRYPT_COST", "10"},
                     {"INFERNODE_LOGIN_FAILURES_PER_ACCOUNT", "100"}}};
  TestUser user{server};
  std::mutex mutex;
  std::map<int, int> answers;
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] {
      http::Client client{"127.0.0.1", server.port()};
      const auto answer =
          client.request("POST", "/api/v1/auth/login",
                         json::serialize(json::object{{"email", user.email()},
                                                      {"password", TestUser::kPassword}}));
      if (answer.status == 503) {
        EXPECT_EQ(answer.headers.count("retry-after"), 1U);
      }
      const std::lock_guard lock{mutex};
      ++answers[answer.status];
    });
  }
  EXPECT_EQ(user.send("GET", "/users/me").status, 200);
  for (auto& client : clients) {
    client.join();
  }
  EXPECT_GE(answers[200], 2);
  EXPECT_GE(answers[503], 1);
  EXPECT_EQ(answers[200] + answers[503], 16);
  // What was put off was no failure.
  EXPECT_EQ(server.value("SELECT coalesce(sum(failures + pending), 0) FROM \"LoginFailures\" WHERE "
                         "subject NOT LIKE 'register:%'"),
            "0");
}

TEST(KeyRotation, GoesOnWithoutARestart) {
  TestServer server;
  TestUser user{server};
  const auto keys = server.folder() / "data/keys";
  const auto kids = [&] {
    http::Client client{"127.0.0.1", server.port()};
    std::set<std::string> ids;
    const auto set = json::parse(client.request("GET", "/.well-known/jwks.json").body);
    for (const auto& key : set.at("keys").as_array()) {
      ids.insert(text(key, "kid"));
    }
    return ids;
  };
  const auto first = kids();
  ASSERT_EQ(first.size(), 1U);
  // As if both had been made a while ago, the second one later.
  const auto age = [](const std::filesystem::path& file, std::chrono::seconds by) {
    std::filesystem::last_write_time(file, std::filesystem::last_write_time(file) - by);
  };
  age(
      std::filesystem::directory_iterator { keys } -> path(), std::chrono::hours{2});
  const std::string old_token = user.token();
  const auto made = server.command({"keys:generate"});
  ASSERT_EQ(made.status, 0) << made.output;
  EXPECT_NE(made.output.find("older keys verify for 86400 more"), std::string::npos) << made.output;
  for (const auto& entry : std::filesystem::directory_iterator{keys}) {
    if (made.output.find(entry.path().filename().string()) != std::string::npos) {
      age(entry.path(), std::chrono::minutes{1});
    }
  }
  wait_until("the server to see the new key", [&] { return kids().size() == 2; });
  EXPECT_EQ(user.send("GET", "/users/me").status, 200);
  user.log_in();
  EXPECT_NE(user.token().substr(0, user.token().find('.')),
            old_token.substr(0, old_token.find('.')));
  EXPECT_EQ(user.send("GET", "/users/me").status, 200);
}

class Administration : public testing::Test {
protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<TestServer>();
    admin_ = std::make_unique<TestUser>(*server_, TestUser::admin);
  }
  static void TearDownTestSuite() {
    admin_.reset();
    server_.reset();
  }
  static std::unique_ptr<TestServer> server_;
  static std::unique_ptr<TestUser> admin_;
};
std::unique_ptr<TestServer> Administration::server_;
std::unique_ptr<TestUser> Administration::admin_;

TEST_F(Administration, IsForAdministratorsAlone) {
  TestUser user{*server_};
  const std::vector<std::array<std::string, 3>> requests{
      {"GET", "/admin/users", ""},
      {"PATCH", "/admin/users/" + user.id(), R"({"role":"admin"})"},
      {"POST", "/admin/users/" + user.id() + "/recharge", R"({"tokens":5})"},
      {"POST", "/admin/tags", R"({"name":"x"})"},
      {"DELETE", "/admin/tags/" + user.id(), ""},
      {"GET", "/admin/ledger/check", ""},
      {"GET", "/admin/audit", ""}};
  for (const auto& [method, path, body] : requests) {
    EXPECT_EQ(user.send(method, path, body).status, 403) << method << " " << path;
    http::Client nobody{"127.0.0.1", server_->port()};
    EXPECT_EQ(nobody.request(method, "/api/v1" + path, body).status, 401) << method << " " << path;
  }
  EXPECT_EQ(user.balance().to_string(), "100.000");
}

TEST_F(Administration, ListsAndSearchesUsers) {
  TestUser user{*server_};
  const auto found = admin_->call(200, "GET", "/admin/users?q=" + user.email().substr(2));
  ASSERT_EQ(found.at("items").as_array().size(), 1U);
  const auto& item = found.at("items").at(0);
  EXPECT_EQ(text(item, "id"), user.id());
  EXPECT_FALSE(item.at("disabled").as_bool());
  EXPECT_FALSE(item.as_object().contains("password"));
  const auto page = admin_->call(200, "GET", "/admin/users?limit=1");
  EXPECT_EQ(page.at("items").as_array().size(), 1U);
  EXPECT_EQ(admin_->call(200, "GET", "/admin/users?limit=1&cursor=" + text(page, "next_cursor"))
                .at("items")
                .as_array()
                .size(),
            1U);
}

TEST_F(Administration, RechargesAndWritesItDown) {
  TestUser user{*server_};
  const std::string path = "/admin/users/" + user.id() + "/recharge";
  const auto answer =
      admin_->call(201, "POST", path, json::object{{"tokens", 12.345}, {"note", "invoice 7"}});
  EXPECT_EQ(json_text(answer.at("balance_after")), "112.345");
  const auto entry = user.call(200, "GET", "/users/me/transactions").at("items").at(0);
  EXPECT_EQ(text(entry, "kind"), "recharge");
  EXPECT_EQ(text(entry, "admin_id"), admin_->id());
  EXPECT_EQ(text(entry, "note"), "invoice 7");
  const auto audit = admin_->call(200, "GET", "/admin/audit?limit=1").at("items").at(0);
  EXPECT_EQ(text(audit, "action"), "user.recharge");
  EXPECT_EQ(text(audit, "admin_id"), admin_->id());
  EXPECT_EQ(text(audit, "user_id"), user.id());
  EXPECT_EQ(json_text(audit.at("details").at("tokens")), "12.345");
  for (const char* wrong : {"0", "-1", "0.0001", "1e-9", "\"5\"", "null", "1e15", "true", "[1]",
                            "123456789.12300001", "12345678.1234"}) {
    EXPECT_EQ(admin_->send("POST", path, std::string{R"({"tokens":)"} + wrong + "}").status, 422)
        << wrong;
  }
  EXPECT_EQ(
      admin_->send("POST", "/admin/users/" + user.id().substr(1) + "/recharge", R"({"tokens":1})")
          .status,
      404);
  for (const char* longer :
       {"0.9999999999999999999", "999999999.99900001", "1000000000.00000001"}) {
    EXPECT_EQ(admin_->send("POST", path, std::string{R"({"tokens":)"} + longer + "}").status, 400);
  }
  // A balance stays an amount, however often it is added to.
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(admin_->send("POST", path, R"({"tokens":1000000000})").status, 201);
  }
  server_->sql("INSERT INTO \"LedgerEntries\" (user_id, kind, amount, admin_id) VALUES ('" +
               user.id() + "', 'recharge', 2196000000000, '" + admin_->id() + "')");
  EXPECT_EQ(admin_->send("POST", path, R"({"tokens":1000000000})").status, 422);
}

TEST_F(Administration, DisablesAUserAndChangesRolesAtOnce) {
  TestUser user{*server_};
  const std::string path = "/admin/users/" + user.id();
  EXPECT_TRUE(
      admin_->call(200, "PATCH", path, json::object{{"disabled", true}}).at("disabled").as_bool());
  EXPECT_EQ(user.send("GET", "/users/me").status, 401);
  user.call(403, "POST", "/auth/login",
            json::object{{"email", user.email()}, {"password", TestUser::kPassword}});
  // Who does not know the password does not learn that the account is disabled.
  user.call(401, "POST", "/auth/login",
            json::object{{"email", user.email()}, {"password", "a guess"}});
  admin_->call(200, "PATCH", path, json::object{{"disabled", false}});
  EXPECT_EQ(user.send("GET", "/users/me").status, 401);  // ended for good
  user.log_in();
  user.call(403, "GET", "/admin/audit");
  EXPECT_EQ(text(admin_->call(200, "PATCH", path, json::object{{"role", "admin"}}), "role"),
            "admin");
  user.call(200, "GET", "/admin/audit");
  admin_->call(200, "PATCH", path, json::object{{"role", "user"}});
  user.call(403, "GET", "/admin/audit");
  const auto audit = admin_->call(200, "GET", "/admin/audit?limit=4");
  for (const auto& entry : audit.at("items").as_array()) {
    EXPECT_EQ(text(entry, "action"), "user.update");
    EXPECT_EQ(text(entry, "user_id"), user.id());
  }
  admin_->call(404, "PATCH", "/admin/users/" + UserId::random().to_string(),
               json::object{{"role", "user"}});
  for (const char* wrong :
       {"{}", R"({"role":"root"})", R"({"disabled":"yes"})", R"({"tokens":5})"}) {
    EXPECT_EQ(admin_->send("PATCH", path, wrong).status, 422) << wrong;
  }
}

TEST_F(Administration, SetsAUsersShareAndLimits) {
  TestUser user{*server_};
  const auto path = "/admin/users/" + user.id();
  const auto changed = admin_->call(
      200, "PATCH", path,
      json::object{{"weight", 2.5}, {"max_running_segments", 3}, {"max_open_jobs", 0}});
  EXPECT_EQ(json::value_to<double>(changed.at("weight")), 2.5);
  EXPECT_EQ(integer(changed, "max_running_segments"), 3);
  EXPECT_FALSE(changed.at("disabled").as_bool());
  const auto footage = user.with_footage("clip");
  user.call(409, "POST", "/jobs",
            json::object{{"video_ids", json::array{footage.video}},
                         {"params", json::object{{"pipeline", "detect"}}}});
  const auto reset = admin_->call(200, "PATCH", path, json::object{{"max_open_jobs", nullptr}});
  EXPECT_TRUE(reset.at("max_open_jobs").is_null());
  EXPECT_EQ(integer(reset, "max_running_segments"), 3);
  for (const char* wrong : {R"({"weight":0})", R"({"weight":101})", R"({"weight":null})",
                            R"({"max_running_segments":0})", R"({"max_open_jobs":-1})"}) {
    EXPECT_EQ(admin_->send("PATCH", path, wrong).status, 422) << wrong;
  }
}

TEST_F(Administration, IsNeverLeftToNobody) {
  admin_->call(409, "PATCH", "/admin/users/" + admin_->id(), json::object{{"role", "user"}});
  admin_->call(409, "PATCH", "/admin/users/" + admin_->id(), json::object{{"disabled", true}});
  const auto refused = server_->command({"users:role", admin_->email(), "user"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.output.find("Nobody would be administrator"), std::string::npos)
      << refused.output;
  EXPECT_EQ(server_->command({"users:role", "unknown@example.com", "admin"}).status, 1);
  // Two that take each other's role at once: one of them stays.
  TestUser second{*server_, TestUser::admin};
  std::thread first_thread{
      [&] { admin_->send("PATCH", "/admin/users/" + second.id(), R"({"disabled":true})"); }};
  second.send("PATCH", "/admin/users/" + admin_->id(), R"({"disabled":true})");
  first_thread.join();
  EXPECT_NE(
      server_->value("SELECT count(*) FROM \"Users\" WHERE role = 'admin' AND disabled_at IS NULL"),
      "0");
  server_->sql("UPDATE \"Users\" SET disabled_at = NULL");
  admin_->log_in();  // the tokens of whoever was disabled have ended
}

TEST_F(Administration, KeepsTheListOfTags) {
  TestUser user{*server_};
  const auto tag = admin_->call(201, "POST", "/admin/tags", json::object{{"name", "night"}});
  admin_->call(409, "POST", "/admin/tags", json::object{{"name", "night"}});
  user.call(201, "POST", "/datasets",
            json::object{{"name", "d"}, {"tags", json::array{"night", "rain"}}});
  TestUser other{*server_};
  const auto names = [&](TestUser& whose) {
    std::set<std::string> all;
    const auto listed = whose.call(200, "GET", "/tags");
    for (const auto& item : listed.at("items").as_array()) {
      all.insert(text(item, "name"));
    }
    return all;
  };
  EXPECT_EQ(names(user), (std::set<std::string>{"night", "rain"}));
  EXPECT_EQ(names(other), std::set<std::string>{"night"});
  EXPECT_EQ(user.call(200, "GET", "/tags?q=RAI").at("items").as_array().size(), 1U);
  EXPECT_EQ(text(user.call(200, "GET", "/tags?limit=1").at("items").at(0), "name"), "rain");
  admin_->call(204, "DELETE", "/admin/tags/" + text(tag, "id"));
  admin_->call(404, "DELETE", "/admin/tags/" + text(tag, "id"));
  // Whoever bears it still does.
  EXPECT_EQ(names(user), (std::set<std::string>{"night", "rain"}));
  EXPECT_EQ(names(other), std::set<std::string>{});
  EXPECT_EQ(user.call(200, "GET", "/datasets?tag=night").at("items").as_array().size(), 1U);
  const auto audit = admin_->call(200, "GET", "/admin/audit?limit=2").at("items");
  EXPECT_EQ(text(audit.at(0), "action"), "tag.delete");
  EXPECT_EQ(text(audit.at(1), "action"), "tag.create");
  EXPECT_EQ(text(audit.at(0).at("details"), "name"), "night");
}

class Datasets : public Accounts {};

TEST_F(Datasets, LiveThroughTheirWholeLife) {
  TestUser user{*server_};
  const auto made = user.call(201, "POST", "/datasets",
                              json::object{{"name", "a"}, {"tags", json::array{"x", "y"}}});
  const std::string path = "/datasets/" + text(made, "id");
  EXPECT_EQ(user.send("POST", "/datasets", R"({"name":"a"})").status, 409);
  EXPECT_EQ(text(user.call(200, "PATCH", path, json::object{{"name", "b"}}), "name"), "b");
  user.call(204, "DELETE", path);
  user.call(404, "GET", path);
  user.call(404, "DELETE", path);
  EXPECT_EQ(user.call(200, "GET", "/datasets").at("items").as_array().size(), 0U);
  EXPECT_EQ(user.call(200, "GET", "/datasets?deleted=true").at("items").as_array().size(), 1U);
  user.create_dataset("b");  // the name is free meanwhile
  user.call(409, "POST", path + "/restore");
  user.call(200, "PATCH",
            "/datasets/" + text(user.call(200, "GET", "/datasets").at("items").at(0), "id"),
            json::object{{"name", "c"}});
  EXPECT_EQ(text(user.call(200, "POST", path + "/restore"), "name"), "b");
}

TEST_F(Datasets, AreFilteredByTagsAndName) {
  TestUser user{*server_};
  user.call(201, "POST", "/datasets",
            json::object{{"name", "Red car"}, {"tags", json::array{"red", "car"}}});
  user.call(201, "POST", "/datasets",
            json::object{{"name", "Blue car"}, {"tags", json::array{"blue", "car"}}});
  const auto count = [&](const std::string& query) {
    return user.call(200, "GET", "/datasets?" + query).at("items").as_array().size();
  };
  EXPECT_EQ(count("tag=car"), 2U);
  EXPECT_EQ(count("tag=car&tag=red"), 1U);
  EXPECT_EQ(count("q=BLUE"), 1U);
  EXPECT_EQ(count("q=%25"), 0U);  // a percent sign is no wildcard
  bool found = false;
  const auto tags = user.call(200, "GET", "/tags");
  for (const auto& tag : tags.at("items").as_array()) {
    if (text(tag, "name") == "car") {
      found = true;
      EXPECT_EQ(integer(tag, "datasets"), 2);
    }
  }
  EXPECT_TRUE(found);
}

TEST_F(Datasets, ComeInStablePages) {
  TestUser user{*server_};
  for (int i = 0; i < 7; ++i) {
    user.create_dataset("d" + std::to_string(i));
  }
  std::vector<std::string> names;
  std::string query = "?limit=3";
  for (;;) {
    const auto page = user.call(200, "GET", "/datasets" + query);
    for (const auto& item : page.at("items").as_array()) {
      names.push_back(text(item, "name"));
    }
    if (page.at("next_cursor").is_null()) {
      break;
    }
    user.create_dataset("new " +
                        std::to_string(names.size()));  // rows added meanwhile do not shift it
    query = "?limit=3&cursor=" + text(page, "next_cursor");
  }
  EXPECT_EQ(names, (std::vector<std::string>{"d6", "d5", "d4", "d3", "d2", "d1", "d0"}));
}

TEST_F(Datasets, HonourEntityTags) {
  TestUser user{*server_};
  const std::string path = "/datasets/" + user.create_dataset("tagged");
  const auto first = user.send("GET", path);
  const std::string tag = first.headers.at("etag");
  EXPECT_EQ(user.send("GET", path, "", {{"If-None-Match", tag}}).status, 304);
  EXPECT_EQ(user.send("PATCH", path, R"({"name":"renamed"})", {{"If-Match", tag}}).status, 200);
  EXPECT_EQ(user.send("PATCH", path, R"({"name":"again"})", {{"If-Match", tag}}).status, 412);
  EXPECT_EQ(user.send("GET", path, "", {{"If-None-Match", tag}}).status, 200);
}

TEST_F(Datasets, BelongToTheirOwnerAlone) {
  TestUser owner{*server_};
  TestUser other{*server_};
  const std::string path = "/datasets/" + owner.create_dataset("mine");
  other.call(404, "GET", path);
  other.call(404, "PATCH", path, json::object{{"name", "yours"}});
  other.call(404, "DELETE", path);
  other.call(404, "POST", path + "/restore");
  other.call(404, "GET", path + "/videos");
  EXPECT_EQ(text(owner.call(200, "GET", path), "name"), "mine");
}

}  // namespace
}  // namespace infernode::test
