// Goal: whoever follows events has each of them once and in order, whatever happens to servers.
// Method: two real servers and a worker on one database; clients of both kinds that connect to
// either, again and again, while jobs run and servers are killed; each one's list is compared with
// 1, 2, 3 ..., and what it knows in the end with the database. INFERNODE_TEST_CLIENTS (16) and
// INFERNODE_TEST_JOBS (4) say how many.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "testing/event_client.hpp"
#include "testing/server_pair.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

// One that connects to any of the servers, again and again, until it has what there is.
struct Follower {
  EventClient::Line line;
  std::string token;
  std::vector<std::int64_t> numbers;
  std::map<std::string, json::object> seen;  // each thing as it was told last
  int lines = 0;
  std::atomic<std::int64_t> last = 0;

  void follow(const ServerPair& servers, const std::atomic<bool>& stop, unsigned seed) {
    std::mt19937 random{seed};
    while (!stop) {
      try {
        EventClient client{servers.port(random() % 2), line, token, last.load()};
        ++lines;
        while (auto message = client.next(std::chrono::milliseconds{500 + random() % 3000})) {
          take(*message);
        }
      } catch (const std::exception&) {
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
      }
    }
  }

  void take(const json::object& message) {
    const auto* id = message.if_contains("id");
    if (id == nullptr) {
      return;
    }
    numbers.push_back(id->as_int64());
    last = id->as_int64();
    const std::string type{message.at("type").as_string()};
    const auto& thing = message.at(type).as_object();
    const auto* own = thing.if_contains("id");
    seen[type + (own == nullptr ? "" : " " + std::string{own->as_string()})] = thing;
  }

  // Its last view of everything, a line each, sorted.
  std::vector<std::string> view() const {
    std::vector<std::string> lines;
    for (const auto& [what, thing] : seen) {
      lines.push_back(what + " " +
                      (what == "balance" ? fmt::format("{}", thing.at("tokens").to_number<double>())
                       : what.starts_with("dataset")
                           ? std::string{thing.at("name").as_string()}
                           : std::string{thing.at("status").as_string()}));
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }
};

TEST(FollowedEvents, HaveNoGapWhenServersAreKilled) {
  const int clients = number_from("INFERNODE_TEST_CLIENTS", 16);
  const int jobs = number_from("INFERNODE_TEST_JOBS", 4);
  TestServer server{{{"INFERNODE_WORKERS", "0"}, {"INFERNODE_MAX_OPEN_JOBS", "1000"}}};
  const pid_t worker = server.spawn({"worker"});
  ServerPair servers{server};
  std::vector<std::unique_ptr<TestUser>> users;
  for (int i = 0; i < 4; ++i) {
    users.push_back(std::make_unique<TestUser>(server));
  }
  std::vector<std::unique_ptr<Follower>> followers;
  std::vector<std::thread> threads;
  std::atomic<bool> stop = false;
  for (int i = 0; i < clients; ++i) {
    auto follower = std::make_unique<Follower>();
    follower->line = i % 2 == 0 ? EventClient::Line::sent_events : EventClient::Line::web_socket;
    follower->token = users[static_cast<std::size_t>(i / 2) % users.size()]->token();
    threads.emplace_back(
        [&, own = follower.get(), i] { own->follow(servers, stop, static_cast<unsigned>(i)); });
    followers.push_back(std::move(follower));
  }
  std::vector<std::pair<TestUser*, std::string>> made;
  std::vector<std::string> datasets;
  for (auto& user : users) {
    const auto footage = user->with_footage("clip");
    datasets.push_back(footage.dataset);
    for (int i = 0; i < (jobs + 3) / 4; ++i) {
      const json::object request{
          {"video_ids", json::array{footage.video}},
          {"params", {{"pipeline", "detect"}, {"end_frame", 40}, {"images", false}}}};
      made.emplace_back(user.get(),
                        text(user->call(201, "POST", "/jobs", request).at("jobs").at(0), "id"));
    }
  }
  const auto open_jobs = [&] {
    return server.value("SELECT count(*) FROM \"InferenceJobs\" WHERE \"finished_at\" IS NULL");
  };
  const auto begun = std::chrono::steady_clock::now();
  while (open_jobs() != "0" || servers.kills() < 4) {
    ASSERT_LT(seconds_since(begun), 300);
    std::this_thread::sleep_for(std::chrono::milliseconds{700});
    servers.kill_one();
    for (std::size_t i = 0; i < users.size(); ++i) {
      users[i]->connect(server);
      users[i]->call(200, "PATCH", "/datasets/" + datasets[i],
                     json::object{{"name", "after " + std::to_string(servers.kills())}});
    }
  }
  std::map<std::string, std::int64_t> newest;
  for (const auto& user : users) {
    newest[user->token()] = std::stoll(
        server.value("SELECT max(id) FROM \"Events\" WHERE user_id = '" + user->id() + "'"));
  }
  wait_until("everybody to have everything", [&] {
    return std::all_of(followers.begin(), followers.end(), [&](const auto& follower) {
      return follower->last >= newest[follower->token];
    });
  });
  stop = true;
  for (auto& thread : threads) {
    thread.join();
  }
  // What the database has of each user.
  std::map<std::string, std::vector<std::string>> views;
  for (const auto& user : users) {
    auto& view = views[user->token()];
    for (const auto& row : server.sql(fmt::format(
             R"(SELECT 'balance ' || trim_scale(tokens) FROM "Users" WHERE id = '{0}'
                UNION ALL SELECT 'dataset ' || id || ' ' || name FROM "Datasets" WHERE user_id = '{0}'
                UNION ALL SELECT 'job ' || id || ' ' || status FROM "InferenceJobs" WHERE user_id = '{0}'
                UNION ALL SELECT 'video ' || v.id || ' STORED' FROM "Videos" AS v
                            JOIN "Datasets" AS d ON d.id = v.dataset_id WHERE d.user_id = '{0}')",
             user->id()))) {
      view.push_back(row.at(0));
    }
    std::sort(view.begin(), view.end());
  }
  std::size_t told = 0;
  int lines = 0;
  for (const auto& follower : followers) {
    std::vector<std::int64_t> all;
    for (std::int64_t i = 1; i <= newest[follower->token]; ++i) {
      all.push_back(i);
    }
    EXPECT_EQ(follower->numbers, all);
    EXPECT_EQ(follower->view(), views[follower->token]);
    told += follower->numbers.size();
    lines += follower->lines;
  }
  std::printf("%d clients, %zu jobs, %zu events told, %d kills, %d connections\n", clients,
              made.size(), told, servers.kills(), lines);
  ::kill(worker, SIGTERM);
  ::waitpid(worker, nullptr, 0);
}

}  // namespace
}  // namespace infernode::test
