// Goal: a decoder that was taken over reaches nothing and stops nobody. Method: the real server,
// started by root and by an ordinary user, with runners that try to get out when a "video" says so;
// what became of each attempt is printed as a table.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "core/clock.hpp"
#include "testing/escapes.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace fs = std::filesystem;

class Escape : public testing::TestWithParam<const char*> {
protected:
  void SetUp() override {
    TestServer::Program program{INFERNODE_ESCAPING_BINARY};
    if (std::string{GetParam()} == "ordinary_user") {
      program.account = find_account("nobody");
      if (geteuid() != 0 || !program.account) {
        program.account.reset();  // ordinary already
      } else if (run_process({"/usr/bin/test", "-x", program.binary}, program.account).status !=
                 0) {
        GTEST_SKIP() << "the user nobody cannot reach " << program.binary;
      }
    } else if (geteuid() != 0) {
      GTEST_SKIP() << "not started as root";
    }
    server_ = std::make_unique<TestServer>(std::map<std::string, std::string>{}, program);
    user_ = std::make_unique<TestUser>(*server_);
    dataset_ = user_->create_dataset("escapes");
    file_ = server_->folder() / "attempt.mp4";
  }

  // What an attempt came to, by what the client was told and by the server's log.
  std::string attempt(const std::string& words) {
    std::ofstream{file_} << "ESCAPE " << words << "\n";
    const auto known = server_->log().size();
    const auto started = std::chrono::steady_clock::now();
    const auto answer = user_->upload(dataset_, file_);
    const double seconds = seconds_since(started);
    EXPECT_GE(answer.status, 400) << words;
    const auto problem = boost::json::parse(answer.body);
    std::string result = text(problem, "detail");
    if (result.starts_with("The video cannot be read: ")) {
      // The log says what it did. It is written behind the answer.
      const std::string mark = "a video was not looked into: ";
      wait_until("the log of " + words, [&] {
        const auto log = server_->log().substr(known);
        const auto at = log.find(mark);
        const auto end = at == std::string::npos ? at : log.find('\n', at);
        if (end != std::string::npos) {
          result = log.substr(at + mark.size(), end - at - mark.size());
        }
        return end != std::string::npos;
      });
    }
    std::printf("| %s | %s | %s | %.0f ms |\n", GetParam(), words.c_str(), result.c_str(),
                seconds * 1000);
    return result;
  }
  // One that the box ends on the spot.
  void expect_ended(const std::string& words) {
    EXPECT_NE(attempt(words).find("SIGSYS"), std::string::npos) << words;
  }
  // One that it answers with an error.
  void expect_refused(const std::string& words) {
    EXPECT_TRUE(attempt(words).starts_with("refused")) << words;
  }

  std::unique_ptr<TestServer> server_;
  std::unique_ptr<TestUser> user_;
  std::string dataset_;
  fs::path file_;
};

TEST_P(Escape, IsStoppedWhateverItTries) {
  const std::string data = (server_->folder() / "data").string();
  const fs::path victim = server_->folder() / "victim";
  std::ofstream{victim} << "mine";
  for (const auto& entry : fs::directory_iterator{data + "/keys"}) {
    expect_refused("open " + entry.path().string());
  }
  expect_refused("open /etc/passwd");
  expect_refused("open /proc/self/environ");
  expect_refused("open-by-path /");
  expect_refused("write-file /tmp/infernode-escaped");
  expect_refused("list /");
  expect_refused("clone3-process");
  expect_refused("dup");
  expect_refused("executable-memory");
  expect_refused("raise-limit");
  expect_refused("outlive-parent");
  expect_refused("write-standard MARK-OF-AN-ESCAPE");
  EXPECT_EQ(server_->log().find("MARK-OF-AN-ESCAPE"), std::string::npos);
  const std::vector<std::string> attacks{"exec",
                                         "fork",
                                         "ptrace",
                                         "kill-parent",
                                         "signal-parent-thread",
                                         "user-namespace",
                                         "io-uring",
                                         "unlink " + victim.string(),
                                         "connect " + data + "/postgres-socket/.s.PGSQL.5432",
                                         "connect /dev/log",
                                         fmt::format("connect-tcp {}", server_->port())};
  for (const auto& words : attacks) {
    expect_ended(words);
  }
  EXPECT_TRUE(fs::exists(victim));
  EXPECT_NE(attempt("allocate").find("more memory"), std::string::npos);
  EXPECT_NE(attempt("ask-without-end").find("read more than"), std::string::npos);
  for (int kind = 0; kind < kGarbageKinds; ++kind) {
    const auto result = attempt(fmt::format("garbage {}", kind));
    EXPECT_TRUE(result.starts_with("the runner")) << kind << ": " << result;
  }
  // The server is what it was.
  EXPECT_EQ(user_->call(200, "GET", "/users/me").at("email").as_string(), user_->email());
  const auto footage = user_->with_footage("afterwards");
  EXPECT_FALSE(footage.video.empty());
  const auto page = user_->call(200, "GET", "/datasets/" + dataset_ + "/videos");
  EXPECT_TRUE(page.at("items").as_array().empty());
  wait_until("every runner to be reaped", [&] {
    std::ifstream children{fmt::format("/proc/{0}/task/{0}/children", server_->pid())};
    int count = 0;
    for (std::string pid; children >> pid;) {
      std::ifstream status{"/proc/" + pid + "/comm"};
      std::string name;
      status >> name;
      count += name.starts_with("infernode") ? 1 : 0;
    }
    return count <= 1;  // the worker's spare one
  });
}

INSTANTIATE_TEST_SUITE_P(StartedBy, Escape, testing::Values("root", "ordinary_user"),
                         [](const auto& info) { return std::string{info.param}; });

}  // namespace
}  // namespace infernode::test
