// Goal: accounts, tokens and datasets behave as the contract says, and users never see each other.
// Method: the real server over HTTP.
#include <gtest/gtest.h>

#include "support/test_server.hpp"

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
  EXPECT_EQ(client.request("HEAD", "/healthz").body, "");
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
