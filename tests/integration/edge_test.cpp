// Goal: what the edge promises besides answers: rates that are limited and say so, pages of other
// origins that may read or not. Method: the real server with small limits.
#include <gtest/gtest.h>

#include <sstream>

#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

class Edge : public testing::Test {
protected:
  Edge()
      : server_{{{"INFERNODE_WORKERS", "0"},
                 {"INFERNODE_RATE_LIMIT_PER_USER", "20"},
                 {"INFERNODE_RATE_LIMIT_PER_ADDRESS", "60"},
                 {"INFERNODE_CORS_ORIGINS", "https://app.example, http://localhost:5173"}}},
        client_{"127.0.0.1", server_.port()} {}

  TestServer server_;
  http::Client client_;
};

TEST_F(Edge, LimitsWhatAUserAndAnAddressMaySend) {
  TestUser user{server_};
  int answered = 0;
  http::ClientResponse last;
  while ((last = user.send("GET", "/users/me")).status == 200) {
    ASSERT_LT(++answered, 30);
  }
  EXPECT_EQ(answered, 20);
  EXPECT_EQ(last.status, 429);
  EXPECT_EQ(last.headers.at("content-type"), "application/problem+json");
  EXPECT_EQ(last.headers.at("ratelimit-policy"), R"("address";q=60;w=60, "user";q=20;w=60)");
  EXPECT_NE(last.headers.at("ratelimit").find(R"("user";r=0;t=)"), std::string::npos);
  EXPECT_GE(std::stoi(last.headers.at("retry-after")), 1);
  EXPECT_LE(std::stoi(last.headers.at("retry-after")), 3);
  // Another user of the same address goes on, until the address has had enough: wrong requests
  // count too, health does not.
  TestUser other{server_};
  EXPECT_EQ(other.send("GET", "/users/me").status, 200);
  int refused = 0;
  for (int i = 0; i < 60; ++i) {
    refused += client_.request("GET", "/nothing/here").status == 429 ? 1 : 0;
    EXPECT_EQ(client_.request("GET", "/healthz").status, 200);
  }
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, 60);
  EXPECT_EQ(client_.request("GET", "/healthz").headers.count("ratelimit"), 0U);
}

TEST_F(Edge, LetsPagesOfNamedOriginsReadAnswers) {
  const auto ask = [&](const std::string& origin) {
    return client_.request("OPTIONS", "/api/v1/datasets", "",
                           {{"Origin", origin},
                            {"Access-Control-Request-Method", "POST"},
                            {"Access-Control-Request-Headers", "authorization,content-type"}});
  };
  const auto allowed = ask("http://localhost:5173");
  EXPECT_EQ(allowed.status, 204);
  EXPECT_EQ(allowed.headers.at("access-control-allow-origin"), "http://localhost:5173");
  EXPECT_EQ(allowed.headers.at("vary"), "Origin");
  EXPECT_NE(allowed.headers.at("access-control-allow-methods").find("POST"), std::string::npos);
  EXPECT_NE(allowed.headers.at("access-control-allow-headers").find("Authorization"),
            std::string::npos);
  EXPECT_EQ(allowed.headers.count("access-control-allow-credentials"), 0U);
  const auto refused = ask("https://evil.example");
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.headers.count("access-control-allow-origin"), 0U);

  // Errors too can be read.
  const auto error =
      client_.request("GET", "/api/v1/users/me", "", {{"Origin", "https://app.example"}});
  EXPECT_EQ(error.status, 401);
  EXPECT_EQ(error.headers.at("access-control-allow-origin"), "https://app.example");
  EXPECT_NE(error.headers.at("access-control-expose-headers").find("X-Request-Id"),
            std::string::npos);
  EXPECT_NE(error.headers.at("access-control-expose-headers").find("Location"), std::string::npos);
  const auto other = client_.request("GET", "/healthz", "", {{"Origin", "https://evil.example"}});
  EXPECT_EQ(other.status, 200);
  EXPECT_EQ(other.headers.count("access-control-allow-origin"), 0U);
  EXPECT_EQ(other.headers.at("vary"), "Origin");
}

// Every line is an object, whatever clients send, and a request's lines are found by its id.
TEST(JsonLog, IsOneObjectALine) {
  TestServer server{{{"INFERNODE_WORKERS", "0"}, {"INFERNODE_LOG_FORMAT", "json"}}};
  http::Client client{"127.0.0.1", server.port()};
  client.request("GET", "/healthz", "", {{"X-Request-Id", "look-for-me"}});
  client.request("GET", "/a\"b\\c%0a", "", {{"X-Request-Id", "odd-one"}});
  std::map<std::string, boost::json::object> lines;
  wait_until("the lines", [&] {
    std::istringstream log{server.log()};
    for (std::string line; std::getline(log, line) && !log.eof();) {
      const auto object = boost::json::parse(line).as_object();
      EXPECT_TRUE(object.contains("time") && object.contains("level")) << line;
      if (object.contains("request")) {
        lines.insert_or_assign(text(object, "request"), object);
      }
    }
    return lines.contains("look-for-me") && lines.contains("odd-one");
  });
  const auto& line = lines.at("look-for-me");
  EXPECT_EQ(line.at("level"), "info");
  EXPECT_EQ(line.at("message"), "GET /healthz");
  EXPECT_EQ(line.at("status"), 200);
  EXPECT_TRUE(line.at("ms").is_number());
}

}  // namespace
}  // namespace infernode::test
