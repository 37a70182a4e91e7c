// Goal: programs, browsers and invited people get in with what they were given, for what they were
// given it, and no further; their secrets are seen once and kept nowhere.
// Method: the real server over HTTP; every operation of the API document with keys of every scope;
// then the server's log, its answers and the whole database searched for every secret.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <regex>
#include <set>
#include <thread>

#include "core/digest.hpp"
#include "core/embedded.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;
using Headers = std::map<std::string, std::string>;

constexpr const char* kZero = "00000000-0000-4000-8000-000000000000";

class Credentials : public testing::Test {
protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<TestServer>(
        std::map<std::string, std::string>{{"INFERNODE_LOG_LEVEL", "debug"},
                                           {"INFERNODE_TRUSTED_PROXIES", "127.0.0.1"},
                                           {"INFERNODE_SWEEP_SECONDS", "1"}});
  }
  static void TearDownTestSuite() { server_.reset(); }

  static std::unique_ptr<http::Client> client(const std::string& token = "") {
    auto made = std::make_unique<http::Client>("127.0.0.1", server_->port());
    made->set_token(token);
    return made;
  }
  static http::ClientResponse send(http::Client& from, const std::string& method,
                                   const std::string& path, const json::value& body = nullptr,
                                   Headers headers = {}) {
    if (!body.is_null()) {
      headers["Content-Type"] = "application/json";
    }
    return from.request(method, "/api/v1" + path, body.is_null() ? "" : json::serialize(body),
                        headers);
  }
  static json::value make_key(TestUser& user, const std::vector<std::string>& scopes,
                              const json::value& expires_at = nullptr) {
    return user.call(
        201, "POST", "/users/me/keys",
        json::object{
            {"name", "a key"}, {"scopes", json::value_from(scopes)}, {"expires_at", expires_at}});
  }
  static std::string cookie_of(const http::ClientResponse& response) {
    const auto found = response.headers.find("set-cookie");
    const std::string cookie = found == response.headers.end() ? "" : found->second;
    return cookie.substr(0, cookie.find(';'));
  }
  static std::string own_origin() { return fmt::format("http://127.0.0.1:{}", server_->port()); }
  static json::object login_of(const TestUser& user) {
    return {{"email", user.email()}, {"password", TestUser::kPassword}};
  }

  static std::unique_ptr<TestServer> server_;
};
std::unique_ptr<TestServer> Credentials::server_;

using ApiKeys = Credentials;

// Every operation of the document that takes a key at all, by what the document says of it.
TEST_F(ApiKeys, MayDoWhatTheirScopesSayOfEveryOperation) {
  TestUser admin{*server_, TestUser::admin};
  const json::value document = json::parse(admin.client().request("GET", "/openapi.json").body);
  const std::vector<std::string> scopes{"read", "upload", "jobs"};
  std::map<std::string, std::string> keys;
  for (const auto& scope : scopes) {
    keys[scope] = text(make_key(admin, {scope}), "key");
  }
  const std::regex parameter{"\\{[a-z]+\\}"};
  std::map<std::string, int> allowed;
  int operations = 0;
  for (const auto& [path, item] : document.at("paths").as_object()) {
    for (const auto& [name, operation] : item.as_object()) {
      const auto* security = operation.as_object().if_contains("security");
      if (security != nullptr && security->as_array().empty()) {
        continue;  // anybody's
      }
      std::set<std::string> roles;
      if (security != nullptr) {
        for (const auto& role : security->at(0).at("bearer").as_array()) {
          roles.insert(json::value_to<std::string>(role));
        }
      }
      std::string method{name};
      std::transform(method.begin(), method.end(), method.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      // Exactly what only reads is open to readers.
      EXPECT_EQ(roles.count("read") == 1, method == "GET") << method << " " << std::string{path};
      const std::string target = std::regex_replace(std::string{path}, parameter, kZero);
      for (const auto& scope : scopes) {
        auto caller = client(keys[scope]);
        const auto answer = caller->request(method, target, "{}",
                                            {{"Content-Type", "application/json"},
                                             // Streams of events, which have no end, refuse it.
                                             {"Last-Event-ID", "none"}});
        const bool passes = answer.status != 403 && answer.status != 401;
        EXPECT_EQ(passes, roles.count(scope) == 1)
            << scope << ": " << method << " " << target << " " << answer.status << answer.body;
        allowed[scope] += passes ? 1 : 0;
      }
      ++operations;
    }
  }
  EXPECT_GT(operations, 35);
  EXPECT_GT(allowed["read"], 15);
  EXPECT_GE(allowed["upload"], 6);
  EXPECT_GE(allowed["jobs"], 5);
}

TEST_F(ApiKeys, WorkUntilTheyExpireOrAreDeleted) {
  TestUser user{*server_};
  TestUser other{*server_};
  const auto made = make_key(user, {"read", "upload"}, "2031-01-31T12:00:00.5+01:00");
  EXPECT_EQ(text(made, "expires_at"), "2031-01-31T11:00:00.500Z");
  EXPECT_TRUE(made.at("last_used_at").is_null());
  auto program = client(text(made, "key"));
  EXPECT_EQ(text(json::parse(send(*program, "GET", "/users/me").body), "email"), user.email());
  EXPECT_EQ(send(*program, "POST", "/datasets", json::object{{"name", "by a program"}}).status,
            201);
  EXPECT_EQ(send(*program, "GET", "/admin/users").status, 403);
  const auto listed = user.call(200, "GET", "/users/me/keys").at("items");
  ASSERT_EQ(listed.as_array().size(), 1U);
  EXPECT_FALSE(listed.at(0).as_object().contains("key"));
  EXPECT_FALSE(listed.at(0).at("last_used_at").is_null());
  EXPECT_TRUE(other.call(200, "GET", "/users/me/keys").at("items").as_array().empty());
  // A new password ends sessions, and leaves programs at work; disabling stops them.
  user.call(
      204, "POST", "/users/me/password",
      json::object{{"current_password", TestUser::kPassword}, {"new_password", "another one"}});
  EXPECT_EQ(send(*program, "GET", "/users/me").status, 200);
  const auto set = [&](const std::string& what) {
    server_->sql(fmt::format("UPDATE {} WHERE \"id\" = '{}'", what, user.id()));
  };
  set("\"Users\" SET \"disabled_at\" = now()");
  EXPECT_EQ(send(*program, "GET", "/users/me").status, 401);
  set("\"Users\" SET \"disabled_at\" = NULL");
  EXPECT_EQ(send(*program, "GET", "/users/me").status, 200);
  user.log_in("another one");
  const auto id = text(made, "id");
  other.call(404, "DELETE", "/users/me/keys/" + id);
  user.call(204, "DELETE", "/users/me/keys/" + id);
  user.call(404, "DELETE", "/users/me/keys/" + id);
  EXPECT_EQ(send(*program, "GET", "/users/me").status, 401);

  const auto short_lived = make_key(user, {"read"}, "2099-01-01T00:00:00Z");
  auto late = client(text(short_lived, "key"));
  EXPECT_EQ(send(*late, "GET", "/users/me").status, 200);
  server_->sql(
      fmt::format("UPDATE \"Credentials\" SET \"expires_at\" = now() - interval '1 second' "
                  "WHERE \"id\" = '{}'",
                  text(short_lived, "id")));
  EXPECT_EQ(send(*late, "GET", "/users/me").status, 401);
}

TEST_F(ApiKeys, AreRefusedWithAReason) {
  TestUser user{*server_};
  const auto attempt = [&](const json::object& body) {
    return user.send("POST", "/users/me/keys", json::serialize(body)).status;
  };
  const json::array read{"read"};
  EXPECT_EQ(attempt({{"name", "a"}}), 422);
  EXPECT_EQ(attempt({{"name", "a"}, {"scopes", json::array{}}}), 422);
  EXPECT_EQ(attempt({{"name", "a"}, {"scopes", json::array{"admin"}}}), 422);
  EXPECT_EQ(attempt({{"name", "a"}, {"scopes", json::array{"read", "read"}}}), 422);
  EXPECT_EQ(attempt({{"name", ""}, {"scopes", read}}), 422);
  for (const char* time : {"2001-01-01T00:00:00Z", "tomorrow", "2031-02-30T00:00:00Z",
                           "2031-01-01T24:00:00Z", "2031-01-01 00:00:00Z", "2031-01-01T00:00:00",
                           "2031-01-01T00:00:00+1:00", "2031-01-01T00:00:00Zx"}) {
    EXPECT_EQ(attempt({{"name", "a"}, {"scopes", read}, {"expires_at", time}}), 422) << time;
  }
  for (const char* token : {"ink_", "ink_x", "ins_x", "inl_x", "ink_\xff"}) {
    auto stranger = client(token);
    EXPECT_EQ(send(*stranger, "GET", "/users/me").status, 401) << token;
  }
  // No more than a hundred, however many are asked for at once.
  server_->sql(fmt::format(
      R"(INSERT INTO "Credentials" ("user_id", "kind", "hash", "name", "scopes", "epoch")
         SELECT '{}', 'key', sha256(i::text::bytea), 'k', '{{read}}', 0 FROM generate_series(1, 95) AS i)",
      user.id()));
  std::vector<std::thread> threads;
  std::atomic<int> made = 0;
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&] {
      const auto caller = user.new_client();
      made += send(*caller, "POST", "/users/me/keys", json::object{{"name", "a"}, {"scopes", read}})
                          .status == 201
                  ? 1
                  : 0;
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(made, 5);
}

// A repeated request makes no second key, and shows none.
TEST_F(ApiKeys, AreMadeOnceForAnIdempotencyKey) {
  TestUser user{*server_};
  const std::string body = R"({"name":"once","scopes":["read"]})";
  const auto ask = [&] {
    const auto answer = user.send("POST", "/users/me/keys", body, {{"Idempotency-Key", "k"}});
    EXPECT_EQ(answer.status, 201);
    return json::parse(answer.body).as_object();
  };
  const auto first = ask();
  const auto second = ask();
  EXPECT_TRUE(first.contains("key"));
  EXPECT_FALSE(second.contains("key"));
  EXPECT_EQ(first.at("id"), second.at("id"));
  EXPECT_EQ(user.call(200, "GET", "/users/me/keys").at("items").as_array().size(), 1U);
}

using Sessions = Credentials;

TEST_F(Sessions, AreABrowsersUntilTheyEnd) {
  TestUser user{*server_};
  auto browser = client();
  EXPECT_EQ(send(*browser, "POST", "/auth/session",
                 json::object{{"email", user.email()}, {"password", "wrong"}})
                .status,
            401);
  const auto begun = send(*browser, "POST", "/auth/session", login_of(user));
  ASSERT_EQ(begun.status, 200) << begun.body;
  EXPECT_EQ(text(json::parse(begun.body).at("user"), "email"), user.email());
  const std::string header = begun.headers.at("set-cookie");
  for (const char* part : {"; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=86400"}) {
    EXPECT_NE(header.find(part), std::string::npos) << header;
  }
  EXPECT_EQ(header.find("Secure"), std::string::npos);
  const std::string cookie = cookie_of(begun);
  const auto me = send(*browser, "GET", "/users/me", nullptr, {{"Cookie", "a=b; " + cookie}});
  EXPECT_EQ(me.status, 200);
  const json::object dataset{{"name", "of a browser"}};
  EXPECT_EQ(
      send(*browser, "POST", "/datasets", dataset, {{"Cookie", cookie}, {"Origin", own_origin()}})
          .status,
      201);
  const auto end = [&] {
    return send(*browser, "DELETE", "/auth/session", nullptr,
                {{"Cookie", cookie}, {"Origin", own_origin()}});
  };
  const auto ended = end();
  EXPECT_EQ(ended.status, 204);
  EXPECT_NE(ended.headers.at("set-cookie").find("Max-Age=0"), std::string::npos);
  EXPECT_EQ(send(*browser, "GET", "/users/me", nullptr, {{"Cookie", cookie}}).status, 401);
  EXPECT_EQ(end().status, 204);
}

TEST_F(Sessions, ActForPagesOfTheirOwnOriginAlone) {
  TestUser user{*server_};
  auto browser = client();
  const std::string cookie = cookie_of(send(*browser, "POST", "/auth/session", login_of(user)));
  const std::string port = std::to_string(server_->port());
  struct Case {
    Headers headers;
    int status;
  };
  int number = 0;
  for (const auto& [headers, status] : std::vector<Case>{
           {{}, 403},
           {{{"Origin", "null"}}, 403},
           {{{"Origin", "http://evil.example"}}, 403},
           {{{"Origin", "http://127.0.0.1"}}, 403},
           {{{"Origin", "https://127.0.0.1:" + port}}, 403},
           {{{"Origin", own_origin() + ".evil.example"}}, 403},
           {{{"Origin", own_origin()}}, 201},
           // Behind a proxy that ends TLS.
           {{{"Origin", "https://127.0.0.1:" + port}, {"X-Forwarded-Proto", "https"}}, 201},
           {{{"Origin", own_origin()}, {"X-Forwarded-Proto", "https"}}, 403},
           {{{"Origin", "https://infer.example"},
             {"X-Forwarded-Proto", "https"},
             {"X-Forwarded-Host", "infer.example:443"}},
            201},
           {{{"Origin", "https://infer.example"},
             {"Forwarded", "for=192.0.2.1;proto=https;host=\"infer.example\""}},
            201}}) {
    auto with_cookie = headers;
    with_cookie["Cookie"] = cookie;
    const auto answer = send(*browser, "POST", "/datasets",
                             json::object{{"name", "d" + std::to_string(++number)}}, with_cookie);
    EXPECT_EQ(answer.status, status) << number << " " << answer.body;
    EXPECT_EQ(send(*browser, "GET", "/datasets", nullptr, with_cookie).status, 200);
  }
  // Whoever presents a token needs no origin, whatever cookie comes along.
  EXPECT_EQ(user.send("POST", "/datasets", R"({"name":"t"})", {{"Cookie", cookie}}).status, 201);
  // Nor does a page of another origin log anybody in or out.
  EXPECT_EQ(
      send(*browser, "POST", "/auth/session", login_of(user), {{"Origin", "http://evil.example"}})
          .status,
      403);
  EXPECT_EQ(send(*browser, "DELETE", "/auth/session", nullptr,
                 {{"Cookie", cookie}, {"Origin", "http://evil.example"}})
                .status,
            403);
  EXPECT_EQ(send(*browser, "GET", "/users/me", nullptr, {{"Cookie", cookie}}).status, 200);
  const auto secure =
      send(*browser, "POST", "/auth/session", login_of(user), {{"X-Forwarded-Proto", "https"}});
  EXPECT_NE(secure.headers.at("set-cookie").find("; Secure"), std::string::npos);
}

TEST_F(Sessions, EndWithThePasswordAndInTime) {
  TestUser user{*server_};
  auto browser = client();
  const auto log_in = [&](const std::string& password) {
    return cookie_of(send(*browser, "POST", "/auth/session",
                          json::object{{"email", user.email()}, {"password", password}}));
  };
  const auto status = [&](const std::string& cookie) {
    return send(*browser, "GET", "/users/me", nullptr, {{"Cookie", cookie}}).status;
  };
  const auto first = log_in(TestUser::kPassword);
  EXPECT_EQ(status(first), 200);
  EXPECT_EQ(
      send(*browser, "POST", "/users/me/password",
           json::object{{"current_password", TestUser::kPassword}, {"new_password", "another one"}},
           {{"Cookie", first}, {"Origin", own_origin()}})
          .status,
      204);
  EXPECT_EQ(status(first), 401);
  const auto second = log_in("another one");
  EXPECT_EQ(status(second), 200);
  // A cookie is no token, and a token no cookie.
  auto thief = client(second.substr(std::string{"session="}.size()));
  EXPECT_EQ(send(*thief, "GET", "/users/me").status, 401);
  EXPECT_EQ(status("session=" + user.token()), 401);
  server_->sql(
      "UPDATE \"Credentials\" SET \"expires_at\" = now() - interval '1 second' "
      "WHERE \"kind\" = 'session'");
  EXPECT_EQ(status(second), 401);
  wait_until("the sweep", [&] {
    return server_->value("SELECT count(*) FROM \"Credentials\" WHERE \"kind\" = 'session'") == "0";
  });
}

using Invitations = Credentials;

TEST_F(Invitations, LetPeopleSetTheirPasswordOnce) {
  TestUser admin{*server_, TestUser::admin};
  const auto invite = [&](const json::object& body, int status = 201) {
    return admin.call(status, "POST", "/admin/users", body);
  };
  const std::string email = "invited@example.com";
  const auto made = invite({{"email", "Invited@Example.com"}, {"tokens", 12.345}});
  EXPECT_EQ(text(made, "email"), email);
  EXPECT_EQ(json::serialize(made.at("tokens")), "1.2345E1");
  EXPECT_EQ(text(made, "role"), "user");
  invite({{"email", email}}, 409);
  invite({{"email", "nobody"}}, 422);
  invite({{"email", "a@example.com"}, {"tokens", 0.0001}}, 422);
  invite({{"email", "a@example.com"}, {"tokens", -1}}, 422);
  const auto& link = made.at("password_link");
  EXPECT_EQ(text(link, "url"), own_origin() + "/password.html#" + text(link, "token"));
  auto guest = client();
  const auto log_in = [&](const std::string& password) {
    return send(*guest, "POST", "/auth/login",
                json::object{{"email", email}, {"password", password}})
        .status;
  };
  EXPECT_EQ(log_in("!"), 401);
  const auto set = [&](const std::string& token, const std::string& password) {
    return send(*guest, "POST", "/auth/password",
                json::object{{"token", token}, {"new_password", password}})
        .status;
  };
  const auto first = text(link, "token");
  EXPECT_EQ(set(first, "short"), 422);
  EXPECT_EQ(set("inl_nonsense", "a password"), 401);
  EXPECT_EQ(set("", "a password"), 422);
  EXPECT_EQ(set(std::string(256, 'x'), "a password"), 422);
  // Another link ends this one.
  const auto again = admin.call(201, "POST", "/admin/users/" + text(made, "id") + "/password-link");
  const auto token = text(again.at("password_link"), "token");
  EXPECT_EQ(set(first, "a password"), 401);
  std::vector<std::thread> threads;
  std::atomic<int> worked = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto caller = client();
      worked += send(*caller, "POST", "/auth/password",
                     json::object{{"token", token}, {"new_password", "a password"}})
                            .status == 204
                    ? 1
                    : 0;
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(worked, 1);
  EXPECT_EQ(set(token, "another one"), 401);
  EXPECT_EQ(log_in("a password"), 200);
  admin.call(404, "POST", std::string{"/admin/users/"} + kZero + "/password-link");
  const auto audit = admin.call(200, "GET", "/admin/audit?limit=2").at("items");
  EXPECT_EQ(text(audit.at(0), "action"), "user.password_link");
  EXPECT_EQ(text(audit.at(1), "action"), "user.create");
  EXPECT_EQ(text(audit.at(1).at("details"), "email"), email);
  EXPECT_EQ(text(admin.call(200, "GET", "/admin/users/" + text(made, "id")), "email"), email);
  admin.call(404, "GET", std::string{"/admin/users/"} + kZero);
  EXPECT_EQ(server_->value(fmt::format(
                R"(SELECT "kind" || ' ' || "amount" FROM "LedgerEntries" WHERE "user_id" = '{}')",
                text(made, "id"))),
            "opening 12.345");
}

TEST_F(Invitations, ComeFromTheCommandLineToo) {
  const auto added = server_->command(
      {"users:add", "cli@example.com", "--role", "admin", "--url", "https://infer.example"});
  ASSERT_EQ(added.status, 0) << added.output;
  std::smatch found;
  ASSERT_TRUE(std::regex_search(
      added.output, found,
      std::regex{"https://infer\\.example/password\\.html#(inl_[A-Za-z0-9_-]{43})"}))
      << added.output;
  auto guest = client();
  EXPECT_EQ(send(*guest, "POST", "/auth/password",
                 json::object{{"token", found[1].str()}, {"new_password", "a password"}})
                .status,
            204);
  const auto login = send(*guest, "POST", "/auth/login",
                          json::object{{"email", "cli@example.com"}, {"password", "a password"}});
  EXPECT_EQ(text(json::parse(login.body).at("user"), "role"), "admin");
  EXPECT_EQ(server_->command({"users:add", "cli@example.com"}).status, 1);
  EXPECT_EQ(server_->command({"users:add", "x@example.com", "--tokens", "1.2345"}).status, 1);
  EXPECT_EQ(guest->request("GET", "/password.html").headers.at("content-type"),
            "text/html; charset=utf-8");
}

TEST_F(Credentials, AnybodyMayKnowWhatTheInstallationTakes) {
  auto anybody = client();
  const auto answer = send(*anybody, "GET", "/info");
  ASSERT_EQ(answer.status, 200);
  const auto info = json::parse(answer.body);
  EXPECT_EQ(text(info, "registration"), "open");
  EXPECT_EQ(text(info, "version"), std::string{build_version()});
  EXPECT_DOUBLE_EQ(info.at("prices").at("inference_image").as_double(), 0.002);
  EXPECT_GT(integer(info.at("limits"), "storage_quota"), 0);
}

TEST_F(Credentials, AdministratorsSeeAnybodysJob) {
  TestUser user{*server_};
  TestUser admin{*server_, TestUser::admin};
  const auto footage = user.with_footage("seen");
  const auto made =
      user.call(201, "POST", "/jobs",
                json::object{{"video_ids", json::array{footage.video}},
                             {"params", json::object{{"pipeline", "detect"}, {"end_frame", 2}}}});
  const auto job = text(made.at("jobs").at(0), "id");
  user.wait_for_end(job);
  user.call(403, "GET", "/admin/jobs/" + job);
  const auto seen = admin.call(200, "GET", "/admin/jobs/" + job);
  EXPECT_EQ(text(seen, "user_id"), user.id());
  EXPECT_EQ(text(seen, "status"), "COMPLETED");
  EXPECT_EQ(integer(seen, "segment_count"), 2);
  ASSERT_EQ(seen.at("segments").as_array().size(), 2U);
  EXPECT_EQ(integer(seen.at("segments").at(0), "processed"), 2);
  EXPECT_EQ(text(seen.at("segments").at(1), "kind"), "ASSEMBLY");
  admin.call(404, "GET", std::string{"/admin/jobs/"} + kZero);
}

// What is given out once is kept as a hash, and said by nobody again.
TEST_F(Credentials, AreKeptNowhere) {
  TestUser user{*server_};
  TestUser admin{*server_, TestUser::admin};
  const std::map<std::string, std::string> once{{"Idempotency-Key", "secrets"}};
  std::vector<std::string> secrets;
  const auto key = json::parse(
      user.send("POST", "/users/me/keys", R"({"name":"k","scopes":["read"]})", once).body);
  secrets.push_back(text(key, "key"));
  const auto invited =
      json::parse(admin.send("POST", "/admin/users", R"({"email":"kept@example.com"})", once).body);
  secrets.push_back(text(invited.at("password_link"), "token"));
  auto browser = client();
  const auto session = send(*browser, "POST", "/auth/session", login_of(user));
  secrets.push_back(cookie_of(session).substr(std::string{"session="}.size()));
  // Used rightly and wrongly.
  auto program = client(secrets[0]);
  std::string said;
  const auto hear = [&](const http::ClientResponse& answer) {
    said += answer.body;
    for (const auto& [name, value] : answer.headers) {
      said += name + ": " + value + "\n";
    }
  };
  hear(send(*program, "GET", "/users/me"));
  hear(send(*program, "POST", "/datasets", json::object{{"name", "x"}}));
  hear(send(*browser, "GET", "/users/me", nullptr, {{"Cookie", "session=" + secrets[2]}}));
  hear(send(*browser, "POST", "/datasets", nullptr, {{"Cookie", "session=" + secrets[2]}}));
  hear(send(*browser, "POST", "/auth/password",
            json::object{{"token", secrets[1]}, {"new_password", "short"}}));
  hear(user.send("GET", "/users/me/keys"));
  hear(user.send("POST", "/users/me/keys", R"({"name":"k","scopes":["read"]})", once));
  hear(admin.send("GET", "/admin/users/" + text(invited, "id")));
  hear(admin.send("GET", "/admin/audit"));
  hear(admin.send("POST", "/admin/users", R"({"email":"kept@example.com"})", once));
  const auto log = server_->log();
  EXPECT_NE(log.find("/api/v1/users/me"), std::string::npos);  // it does say requests
  std::string stored;
  for (const auto& table :
       server_->sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' "
                    "AND tablename NOT LIKE '%Chunks%'")) {
    for (const auto& row : server_->sql("SELECT t::text FROM \"" + table[0] + "\" AS t")) {
      stored += row[0] + "\n";
    }
  }
  EXPECT_NE(stored.find(user.email()), std::string::npos);
  for (const auto& secret : secrets) {
    EXPECT_EQ(secret.size(), 47U);
    EXPECT_EQ(said.find(secret), std::string::npos);
    EXPECT_EQ(log.find(secret), std::string::npos);
    EXPECT_EQ(stored.find(secret), std::string::npos);
    const auto hash = std::as_bytes(std::span{secret});
    Sha256 sha;
    sha.update(hash);
    EXPECT_NE(stored.find(hex(sha.finish())), std::string::npos);
  }
}

}  // namespace
}  // namespace infernode::test
