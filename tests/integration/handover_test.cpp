// Goal: one server takes the place of another, of the same version or a newer one, and no client
// notices. Method: real servers on one database; clients that open a connection for each request;
// a newer version is this one with one more migration.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <fstream>
#include <thread>

#include "http/handover.hpp"
#include "http/listening_socket.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace json = boost::json;

constexpr int kClients = 32;

// Clients that each send requests for as long as this lives, on a new connection each time.
class Clients {
public:
  Clients(const TestServer& server, const std::string& token) {
    for (int i = 0; i < kClients; ++i) {
      threads_.emplace_back([this, port = server.port(), token, i] {
        for (int n = 0; !stop_; ++n) {
          ask(port, token, (i + n) % 4 == 0);
        }
      });
    }
  }
  ~Clients() { stop(); }
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  void stop() {
    stop_ = true;
    for (auto& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }
  int answered() const { return answered_; }
  int failed() const { return failed_; }

private:
  void ask(std::uint16_t port, const std::string& token, bool create) {
    try {
      http::Client client{"127.0.0.1", port};
      client.set_token(token);
      const int status = create ? client
                                      .request("POST", "/api/v1/datasets",
                                               "{\"name\":\"d" + std::to_string(++number_) + "\"}",
                                               {{"Content-Type", "application/json"}})
                                      .status
                                : client.request("GET", "/api/v1/users/me").status;
      ++(status == 200 || status == 201 ? answered_ : failed_);
    } catch (const http::ClientError& error) {
      ADD_FAILURE() << error.what();
      ++failed_;
    }
  }

  std::atomic<bool> stop_ = false;
  std::atomic<int> answered_ = 0;
  std::atomic<int> failed_ = 0;
  std::atomic<int> number_ = 0;
  std::vector<std::thread> threads_;
};

class Handover : public testing::Test {
protected:
  Handover()
      : server_{{{"INFERNODE_WORKERS", "0"},
                 {"INFERNODE_RATE_LIMIT_PER_USER", "0"},
                 {"INFERNODE_RATE_LIMIT_PER_ADDRESS", "0"}}},
        user_{server_} {}

  // The next version: this one with another migration. Returns its binary.
  std::string newer_version(const std::string& version, const std::string& migration) {
    const fs::path root = checkout_.path();
    fs::create_directories(root / "build/release/bin");
    fs::copy_file(INFERNODE_BINARY, root / "build/release/bin/infernode",
                  fs::copy_options::skip_existing);
    fs::copy(INFERNODE_SOURCE_DIR "/db", root / "db",
             fs::copy_options::recursive | fs::copy_options::skip_existing);
    std::ofstream{root / "CMakePresets.json"} << "{}";
    std::ofstream{root / "db/migrations" / (version + "-next.sql")} << migration;
    return (root / "build/release/bin/infernode").string();
  }
  http::ClientResponse readiness() {
    http::Client client{"127.0.0.1", server_.port()};
    return client.request("GET", "/readyz");
  }

  TestServer server_;
  TestUser user_;
  TemporaryFolder checkout_;
};

TEST_F(Handover, TwentyTimesUnderLoadWithoutAFailedRequest) {
  Clients clients{server_, user_.token()};
  for (int i = 0; i < 20; ++i) {
    const int before = clients.answered();
    EXPECT_EQ(server_.hand_over(), 0);
    wait_until("the next one to answer",
               [&] { return clients.answered() > before + 2 * kClients; });
  }
  clients.stop();
  EXPECT_EQ(clients.failed(), 0);
  EXPECT_GT(clients.answered(), 20 * kClients);
}

TEST_F(Handover, ToANewerVersionWithACompatibleMigration) {
  const std::string current = server_.value("SELECT max(version) FROM schema_migrations");
  const std::string next = "20991231000000";
  const auto program = newer_version(next, "-- compatible-since: " + current +
                                               "\n-- migrate:up\n"
                                               "ALTER TABLE \"Datasets\" ADD COLUMN next INTEGER;\n"
                                               "-- migrate:down\n"
                                               "ALTER TABLE \"Datasets\" DROP COLUMN next;\n");
  Clients clients{server_, user_.token()};
  const auto asked = [&] {
    const int before = clients.answered();
    wait_until("answers", [&] { return clients.answered() > before + 2 * kClients; });
  };
  // The newer one migrates the database, and the older one goes on.
  const auto migrated = run_process(
      {"env", "INFERNODE_DATA_DIR=" + (server_.folder() / "data").string(), program, "db:migrate"});
  EXPECT_EQ(migrated.status, 0) << migrated.output;
  asked();
  auto ready = readiness();
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(json::parse(ready.body).at("schema"),
            (json::object{{"version", next}, {"needed", current}}));
  TestServer::Program newer;
  newer.binary = program;
  server_.become(newer);
  EXPECT_EQ(server_.hand_over(), 0);
  asked();
  EXPECT_EQ(json::parse(readiness().body).at("schema"),
            (json::object{{"version", next}, {"needed", next}}));
  // And back.
  server_.become(TestServer::Program{});
  EXPECT_EQ(server_.hand_over(), 0);
  asked();
  clients.stop();
  EXPECT_EQ(clients.failed(), 0);
  // One that is not marked is not for the older version.
  newer_version("20991231000001", "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 1;\n");
  EXPECT_EQ(run_process({"env", "INFERNODE_DATA_DIR=" + (server_.folder() / "data").string(),
                         program, "db:migrate"})
                .status,
            0);
  ready = readiness();
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find("version 20991231000001"), std::string::npos) << ready.body;
}

TEST_F(Handover, OfASuccessorThatDiesChangesNothing) {
  {
    auto successor = http::Successor::find("127.0.0.1", server_.port());
    ASSERT_TRUE(successor);
    EXPECT_EQ(successor->take_socket().port(), server_.port());
  }  // has the socket, and is gone before it begins
  EXPECT_EQ(user_.send("GET", "/users/me").status, 200);
  EXPECT_EQ(server_.hand_over(), 0);
  user_.connect(server_);
  EXPECT_EQ(user_.send("GET", "/users/me").status, 200);
  EXPECT_FALSE(http::Successor::find("127.0.0.1", 1));
  // Without the flag the address is taken, and the message says what to do.
  const auto second = server_.command({"serve"});
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.output.find("--take-over"), std::string::npos) << second.output;
}

// The older one finishes a request that is under way, on a connection that had others before.
TEST_F(Handover, FinishesWhatRuns) {
  asio::io_context context;
  asio::ip::tcp::socket socket{context};
  socket.connect({asio::ip::make_address("127.0.0.1"), server_.port()});
  const auto exchange = [&socket](const std::string& text) {
    asio::write(socket, asio::buffer(text));
    std::string answer;
    asio::read_until(socket, asio::dynamic_buffer(answer), "}");
    return answer;
  };
  const std::string who = "Host: a\r\nAuthorization: Bearer " + user_.token() + "\r\n";
  EXPECT_TRUE(
      exchange("GET /api/v1/datasets HTTP/1.1\r\n" + who + "\r\n").starts_with("HTTP/1.1 200"));
  asio::write(socket,
              asio::buffer("POST /api/v1/datasets HTTP/1.1\r\n" + who +
                           "Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"name"));
  std::thread handing_over{[&] { EXPECT_EQ(server_.hand_over(), 0); }};
  wait_until("the older one to stop", [&] {
    return server_.log().find("another process has taken this one's place") != std::string::npos;
  });
  const auto answer = exchange("\":\"slow\"}");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 201")) << answer;
  EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
  handing_over.join();
}

// What systemd does: it listens, and it hears of readiness and of the end.
TEST(ServiceManager, PassesASocketOnAndHearsOfReadiness) {
  TemporaryFolder folder;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (folder.path() / "notify").string();
  ASSERT_LT(path.copy(address.sun_path, sizeof address.sun_path - 1), sizeof address.sun_path);
  const int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(manager, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const timeval patience{90, 0};
  setsockopt(manager, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const auto heard = [&] {
    std::array<char, 100> text{};
    const auto size = recv(manager, text.data(), text.size(), 0);
    return std::string{text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
  };

  auto socket = http::ListeningSocket::bind("127.0.0.1", 0);
  const auto port = socket.port();
  const std::string data = "INFERNODE_DATA_DIR=" + (folder.path() / "data").string();
  const std::string notify = "NOTIFY_SOCKET=" + path;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    dup2(socket.descriptor(), 3);
    const std::string pid = "LISTEN_PID=" + std::to_string(getpid());
    const std::array<const char*, 7> environment{
        data.c_str(),         notify.c_str(),        pid.c_str(), "LISTEN_FDS=1",
        "PATH=/usr/bin:/bin", "INFERNODE_WORKERS=0", nullptr};
    execle(INFERNODE_BINARY, "infernode", "serve", nullptr, environment.data());
    _exit(127);
  }
  EXPECT_EQ(heard(), "READY=1");
  http::Client client{"127.0.0.1", port};
  EXPECT_EQ(client.request("GET", "/healthz").status, 200);
  ::kill(child, SIGTERM);
  EXPECT_EQ(heard(), "STOPPING=1");
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  close(manager);
}

// A new version waits until its schema is there.
TEST_F(Handover, WaitsForItsSchema) {
  const auto program =
      newer_version("20991231000000", "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 1;\n");
  const std::string socket = (server_.folder() / "data/postgres-socket").string();
  const std::string out = (checkout_.path() / "out").string();
  const auto as_operator = [&](const std::string& words) {
    return run_process({"env", "-C", checkout_.path().string(), "DB_HOST=" + socket,
                        "INFERNODE_KEYS_DIR=" + (server_.folder() / "data/keys").string(),
                        "INFERNODE_WORKERS=0", "INFERNODE_PORT=0", "sh", "-c", words});
  };
  const auto started = as_operator(program + " serve > " + out + " 2>&1 & echo $!");
  ASSERT_EQ(started.status, 0);
  const pid_t waiting = std::stoi(started.output);
  const auto said = [&] {
    std::ifstream in{out};
    return std::string{std::istreambuf_iterator<char>{in}, {}};
  };
  wait_until("the newer one to wait", [&] {
    return said().find("lacks migration 20991231000000-next: run 'infernode db:migrate'") !=
           std::string::npos;
  });
  EXPECT_EQ(said().find("listening"), std::string::npos);
  EXPECT_EQ(as_operator(program + " db:migrate").status, 0);
  wait_until("it to begin", [&] { return said().find("listening") != std::string::npos; });
  ::kill(waiting, SIGTERM);
  wait_until("its end", [&] { return ::kill(waiting, 0) != 0; });
}

}  // namespace
}  // namespace infernode::test
