// Goal: whoever follows a user's events hears of each change once, in order, and of nobody else's.
// Method: the real server; clients of both kinds beside each other. A WebSocket follows only some
// time after it was made, so what is to be told is told from the beginning.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "core/json.hpp"
#include "testing/event_client.hpp"
#include "testing/long_tests.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using Line = EventClient::Line;
using Messages = std::vector<json::object>;

// Without progress, as texts.
std::vector<std::string> logged(const Messages& messages) {
  std::vector<std::string> texts;
  for (const auto& message : messages) {
    if (message.contains("id")) {
      texts.push_back(json::serialize(message));
    }
  }
  return texts;
}

bool is_end_of_job(const json::object& message) {
  return message.at("type") == "job" && message.contains("id") &&
         message.at("job").at("status") == "COMPLETED";
}

TEST(Events, AreToldOnceInOrderToBothKindsOfClients) {
  TestServer server;
  TestUser user{server};
  EventClient stream{server.port(), Line::sent_events, user.token(), 0};
  EventClient socket{server.port(), Line::web_socket, user.token(), 0};
  ASSERT_EQ(stream.code(), 200);
  TestUser other{server};
  other.create_dataset("not theirs");
  const auto footage = user.with_footage("clip");
  const json::object request{
      {"video_ids", json::array{footage.video}},
      {"params", {{"pipeline", "detect"}, {"end_frame", 60}, {"images", false}}}};
  const auto job = text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
  const auto streamed = stream.until(is_end_of_job);
  const auto told = socket.until(is_end_of_job);
  const auto texts = logged(streamed);
  EXPECT_EQ(texts, logged(told));
  ASSERT_GE(texts.size(), 7U);
  std::vector<std::string> statuses;
  std::vector<std::string> kinds;
  std::int64_t number = 0;
  for (const auto& message : streamed) {
    const auto type = std::string{message.at("type").as_string()};
    if (type == "progress") {
      EXPECT_EQ(message.at("job").at("id"), json::value(job));
      EXPECT_EQ(message.at("job").at("progress").at("total"), 60);
      continue;
    }
    EXPECT_EQ(message.at("id").as_int64(), ++number);
    kinds.push_back(type);
    if (type == "job") {
      statuses.emplace_back(message.at("job").at("status").as_string());
    }
  }
  EXPECT_EQ(kinds.front(), "dataset");
  EXPECT_NE(std::find(kinds.begin(), kinds.end(), "video"), kinds.end());
  EXPECT_NE(std::find(kinds.begin(), kinds.end(), "balance"), kinds.end());
  EXPECT_EQ(statuses, (std::vector<std::string>{"PENDING", "RUNNING", "COMPLETED"}));

  // Whoever was away hears what it missed, and no more.
  for (const auto line : {Line::sent_events, Line::web_socket}) {
    for (const std::int64_t after : {std::int64_t{0}, std::int64_t{3}}) {
      EventClient again{server.port(), line, user.token(), after};
      const auto missed = logged(again.until(is_end_of_job));
      EXPECT_EQ(missed, std::vector<std::string>(texts.begin() + after, texts.end()));
    }
    // From a place that never was it begins anew.
    EventClient lost{server.port(), line, user.token(), 1'000'000};
    const auto reset = lost.next();
    ASSERT_TRUE(reset);
    EXPECT_EQ(reset->at("type"), "reset");
    EXPECT_GE(reset->at("id").as_int64(), number);
  }
  // So does one whose place is not kept any more.
  server.sql("DELETE FROM \"Events\" WHERE id < 5");
  server.stop();
  server.start();
  EventClient late{server.port(), Line::sent_events, user.token(), 2};
  const auto reset = late.next();
  ASSERT_TRUE(reset);
  EXPECT_EQ(reset->at("type"), "reset");

  EventClient of_job{server.port(), Line::sent_events, user.token(), 4, "/jobs/" + job + "/events"};
  for (const auto& message : of_job.until(is_end_of_job)) {
    EXPECT_EQ(message.at("job").at("id"), json::value(job));
  }
}

TEST(Events, AreForTheirUserAlone) {
  TestServer server;
  TestUser user{server};
  TestUser other{server};
  const auto footage = user.with_footage("clip");
  const json::object request{{"video_ids", json::array{footage.video}},
                             {"params", {{"pipeline", "detect"}, {"end_frame", 2}}}};
  const auto job = text(user.call(201, "POST", "/jobs", request).at("jobs").at(0), "id");
  EXPECT_EQ(other.send("GET", "/jobs/" + job + "/events").status, 404);
  EXPECT_EQ(user.send("GET", "/ws").status, 426);
  EXPECT_EQ(user.send("GET", "/events", "", {{"Last-Event-ID", "x"}}).status, 400);
  EXPECT_EQ((EventClient{server.port(), Line::sent_events, "no token"}.code()), 401);
  for (const auto& [token, message] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"wrong", ""}, {"", "{"}, {"", R"({"type":"resume","after":0})"}}) {
    EventClient refused{server.port(), Line::web_socket, token};
    if (!message.empty()) {
      refused.send(message);
    }
    EXPECT_FALSE(refused.next());
    EXPECT_EQ(refused.code(), 1008) << token << message;
  }
  EventClient talking{server.port(), Line::web_socket, user.token()};
  talking.send(R"({"type":"ping"})");
  const auto pong =
      talking.until([](const json::object& each) { return each.at("type") == "pong"; });
  EXPECT_FALSE(pong.empty());
  EventClient resumed{server.port(), Line::web_socket, ""};
  resumed.send(json::serialize(
      json::object{{"type", "authenticate"}, {"token", user.token()}, {"after", 1}}));
  const auto first = resumed.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->at("id"), 2);
  talking.send("what?");
  while (talking.next()) {
  }
  EXPECT_EQ(talking.code(), 1007);
  EventClient flooding{server.port(), Line::web_socket, user.token()};
  for (int i = 0; i < 700; ++i) {
    flooding.send(R"({"type":"resume","after":0})");
  }
  while (flooding.next()) {
  }
  EXPECT_EQ(flooding.code(), 1008);
}

TEST(Events, EndWithTheToken) {
  TestServer server;
  TestUser user{server};
  EventClient stream{server.port(), Line::sent_events, user.token()};
  EventClient socket{server.port(), Line::web_socket, user.token()};
  user.call(204, "POST", "/users/me/password",
            json::object{{"current_password", TestUser::kPassword},
                         {"new_password", "another password"}});
  EXPECT_FALSE(stream.next(std::chrono::seconds{15}));
  EXPECT_TRUE(stream.ended());
  EXPECT_FALSE(socket.next(std::chrono::seconds{15}));
  EXPECT_EQ(socket.code(), 1008);
}

TEST(Events, EndWithTheirKey) {
  TestServer server;
  TestUser user{server};
  const auto make_key = [&](const char* name) {
    return user
        .call(201, "POST", "/users/me/keys",
              json::object{{"name", name}, {"scopes", json::array{"read"}}})
        .as_object();
  };
  const auto revoked = make_key("revoked");
  const auto expired = make_key("expired");
  std::vector<std::unique_ptr<EventClient>> clients;
  for (const auto& key : {revoked, expired}) {
    for (const auto line : {Line::sent_events, Line::web_socket}) {
      clients.push_back(std::make_unique<EventClient>(server.port(), line, text(key, "key")));
    }
  }
  user.create_dataset("heard");
  for (const auto& client : clients) {
    ASSERT_TRUE(client->next());
  }
  user.call(204, "DELETE", "/users/me/keys/" + text(revoked, "id"));
  server.sql("UPDATE \"Credentials\" SET expires_at = now() WHERE id = '" + text(expired, "id") +
             "'");
  for (const auto& client : clients) {
    EXPECT_FALSE(client->next(std::chrono::seconds{20}));
    EXPECT_TRUE(client->ended());
  }
}

// A page of somebody else's does not get a user's line, whatever its browser sends along.
TEST(Events, AreForPagesOfKnownOrigins) {
  TestServer server{
      {{"INFERNODE_WORKERS", "0"}, {"INFERNODE_CORS_ORIGINS", "http://friend.example"}}};
  const auto status = [&](const std::string& origin) {
    asio::io_context context;
    asio::ip::tcp::socket socket{context};
    socket.connect({asio::ip::address_v4::loopback(), server.port()});
    const std::string host = "localhost:" + std::to_string(server.port());
    asio::write(socket,
                asio::buffer("GET /api/v1/ws HTTP/1.1\r\nHost: " + host +
                             "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                             "dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                             (origin.empty() ? "" : "Origin: " + origin + "\r\n") + "\r\n"));
    std::string answer;
    asio::read_until(socket, asio::dynamic_buffer(answer), "\r\n");
    return answer.substr(9, 3);
  };
  EXPECT_EQ(status(""), "101");  // no page at all
  EXPECT_EQ(status("http://localhost:" + std::to_string(server.port())), "101");
  EXPECT_EQ(status("http://friend.example"), "101");
  EXPECT_EQ(status("http://friend.example.evil"), "403");
  EXPECT_EQ(status("http://localhost"), "403");
  EXPECT_EQ(status("null"), "403");
}

// RUN_LONG_TESTS: who does not read is cut off, at no cost to the server, and goes on where it was.
TEST(Events, CutOffWhoDoesNotReadAndLetItResume) {
  if (!long_tests_wanted()) {
    GTEST_SKIP() << "takes two minutes";
  }
  TestServer server{{{"INFERNODE_WORKERS", "0"}}};
  TestUser user{server};
  EventClient stream{server.port(), Line::sent_events, user.token(), 0};
  EventClient socket{server.port(), Line::web_socket, user.token(), 0};
  constexpr int kEvents = 100'000;  // more than both kernels hold between them
  server.sql(fmt::format(R"(SELECT "log_event"('{}', 'dataset', json_build_object('id', n, 'name',
                              repeat('x', 200))) FROM generate_series(1, {}) AS n)",
                         user.id(), kEvents));
  std::this_thread::sleep_for(std::chrono::seconds{100});
  const auto newest = std::stoll(server.value("SELECT max(id) FROM \"Events\""));
  for (auto* client : {&stream, &socket}) {
    const auto line = client == &stream ? Line::sent_events : Line::web_socket;
    std::int64_t last = 0;
    while (const auto message = client->next()) {
      ASSERT_EQ(message->at("id").as_int64(), ++last);
    }
    EXPECT_GT(last, 0);
    EXPECT_LT(last, newest);
    EventClient again{server.port(), line, user.token(), last};
    while (last < newest) {
      const auto message = again.next();
      ASSERT_TRUE(message) << last;
      ASSERT_EQ(message->at("id").as_int64(), ++last);
    }
  }
}

// The database's restart is not the end of the line.
TEST(Events, GoOnWhenTheDatabaseWasAway) {
  TestServer server;
  TestUser user{server};
  EventClient stream{server.port(), Line::sent_events, user.token(), 0};
  EventClient socket{server.port(), Line::web_socket, user.token(), 0};
  user.create_dataset("one");
  server.stop_database("fast");
  std::this_thread::sleep_for(std::chrono::seconds{12});  // until it is asked about the token
  server.start_database();
  wait_until("the database to be there",
             [&] { return user.send("GET", "/users/me").status == 200; });
  user.create_dataset("two");
  for (auto* client : {&stream, &socket}) {
    const auto told = client->until([](const json::object& message) {
      return message.at("type") == "dataset" && message.at("dataset").at("name") == "two";
    });
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told.at(0).at("id"), 1);
    EXPECT_EQ(told.at(1).at("id"), 2);
  }
}

TEST(Events, EndWhenTheServerStops) {
  TestServer server;
  TestUser user{server};
  EventClient stream{server.port(), Line::sent_events, user.token(), 0};
  EventClient socket{server.port(), Line::web_socket, user.token(), 0};
  user.create_dataset("one");
  EXPECT_TRUE(stream.next());
  EXPECT_TRUE(socket.next());
  EXPECT_EQ(server.stop(), 0);
  EXPECT_FALSE(stream.next());
  EXPECT_TRUE(stream.ended());
  EXPECT_FALSE(socket.next());
  EXPECT_EQ(socket.code(), 1012);
}

}  // namespace
}  // namespace infernode::test
