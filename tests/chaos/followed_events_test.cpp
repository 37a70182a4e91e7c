// Goal: whoever follows events has each of them once and in order, whatever happens to servers.
// Method: two real servers and a worker on one database; clients of both kinds that connect to
// either, again and again, while jobs run and servers are killed; each one's list is compared with
// 1, 2, 3 ..., and what it knows in the end with the database. INFERNODE_TEST_CLIENTS (16) and
// INFERNODE_TEST_JOBS (4) say how many.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "testing/event_client.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace json = boost::json;

int number_from(const char* variable, int usual) {
  const char* text = std::getenv(variable);
  return text == nullptr ? usual : std::atoi(text);
}

// A port that nobody listens on.
int free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(descriptor);
  return ntohs(address.sin_port);
}

// Another server on the same database, once it serves.
pid_t start_second(TestServer& server, std::atomic<int>& port) {
  const int number = free_port();
  server.set("INFERNODE_PORT", std::to_string(number));
  const pid_t process = server.spawn({"serve"});
  server.set("INFERNODE_PORT", "0");
  wait_until("the second server to be up", [&] {
    try {
      return http::Client{"127.0.0.1", static_cast<std::uint16_t>(number)}
                 .request("GET", "/healthz")
                 .status == 200;
    } catch (const std::exception&) {
      std::this_thread::sleep_for(std::chrono::milliseconds{20});
      return false;
    }
  });
  port = number;
  return process;
}

// One that connects to any of the servers, again and again, until it has what there is.
struct Follower {
  EventClient::Line line;
  std::string token;
  std::vector<std::int64_t> numbers;
  std::map<std::string, std::string> jobs;  // their status, as last told
  int lines = 0;
  std::atomic<std::int64_t> last = 0;

  void follow(const std::array<std::atomic<int>, 2>& ports, const std::atomic<bool>& stop,
              unsigned seed) {
    std::mt19937 random{seed};
    while (!stop) {
      try {
        EventClient client{static_cast<std::uint16_t>(ports[random() % 2].load()), line, token,
                           last.load()};
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
    if (message.at("type") == "job") {
      const auto& job = message.at("job").as_object();
      jobs[std::string{job.at("id").as_string()}] = std::string{job.at("status").as_string()};
    }
  }
};

TEST(FollowedEvents, HaveNoGapWhenServersAreKilled) {
  const int clients = number_from("INFERNODE_TEST_CLIENTS", 16);
  const int jobs = number_from("INFERNODE_TEST_JOBS", 4);
  TestServer server{{{"INFERNODE_WORKERS", "0"}, {"INFERNODE_MAX_OPEN_JOBS", "1000"}}};
  const pid_t worker = server.spawn({"worker"});
  std::array<std::atomic<int>, 2> ports{server.port(), 0};
  pid_t second = start_second(server, ports[1]);
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
        [&, own = follower.get(), i] { own->follow(ports, stop, static_cast<unsigned>(i)); });
    followers.push_back(std::move(follower));
  }
  std::vector<std::pair<TestUser*, std::string>> made;
  for (auto& user : users) {
    const auto footage = user->with_footage("clip");
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
  int kills = 0;
  const auto begun = std::chrono::steady_clock::now();
  while (open_jobs() != "0" || kills < 4) {
    ASSERT_LT(seconds_since(begun), 300);
    std::this_thread::sleep_for(std::chrono::milliseconds{700});
    if (kills++ % 2 == 0) {
      ::kill(second, SIGKILL);
      ::waitpid(second, nullptr, 0);
      second = start_second(server, ports[1]);
    } else {
      server.kill();
      server.start();
      ports[0] = server.port();
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
  std::size_t told = 0;
  int lines = 0;
  for (const auto& follower : followers) {
    std::vector<std::int64_t> all;
    for (std::int64_t i = 1; i <= newest[follower->token]; ++i) {
      all.push_back(i);
    }
    EXPECT_EQ(follower->numbers, all);
    for (const auto& [user, job] : made) {
      if (user->token() == follower->token) {
        EXPECT_EQ(follower->jobs[job],
                  server.value("SELECT status FROM \"InferenceJobs\" WHERE id = '" + job + "'"));
      }
    }
    told += follower->numbers.size();
    lines += follower->lines;
  }
  std::printf("%d clients, %zu jobs, %zu events told, %d kills, %d connections\n", clients,
              made.size(), told, kills, lines);
  for (const pid_t process : {worker, second}) {
    ::kill(process, SIGTERM);
    ::waitpid(process, nullptr, 0);
  }
}

}  // namespace
}  // namespace infernode::test
