// Goal: a runner answers for its task alone, is known when it is of no more use, and has no rights
// that it does not need. Method: real runners; /proc says what they have.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "runner/host/prober.hpp"
#include "runner/host/runner_process.hpp"
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace infernode::runner {
namespace {

namespace json = boost::json;

class Runner : public testing::Test {
protected:
  // Runs a task over the example clip; returns what was thrown, in words.
  std::string run(RunnerProcess& runner, json::object task) {
    std::string thrown;
    const auto bytes = test::read_file(test::kClip.string());
    const auto body = [&]() -> asio::awaitable<void> {
      SourceReader read = [&](std::uint32_t, std::int64_t offset,
                              std::size_t most) -> asio::awaitable<std::vector<std::byte>> {
        const auto begin = std::min<std::size_t>(static_cast<std::size_t>(offset), bytes.size());
        const auto end = std::min(begin + most, bytes.size());
        co_return std::vector<std::byte>(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                                         bytes.begin() + static_cast<std::ptrdiff_t>(end));
      };
      FrameSink sink = [&](RunnerFrame) -> asio::awaitable<void> {
        ++frames_;
        co_return;
      };
      try {
        co_await runner.run(std::move(task), limits_, std::move(read), std::move(sink));
      } catch (const TaskFailed& error) {
        thrown = "task: " + std::string{error.what()};
      } catch (const RunnerOverLimit& error) {
        thrown = "over: " + std::string{error.what()};
      } catch (const RunnerCrashed& error) {
        thrown = "crash: " + std::string{error.what()};
      } catch (const RunnerNotStarted& error) {
        thrown = "not started: " + std::string{error.what()};
      }
    };
    asio::co_spawn(context_, body(), [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
    context_.restart();
    context_.run();
    return thrown;
  }
  // Has a runner of its own try to get out.
  std::string escape(const std::string& attempt) {
    RunnerProcess runner{context_.get_executor(), RunnerOptions{}};
    return run(runner, {{"op", "escape"}, {"attempt", attempt}});
  }
  json::object probe() const {
    return {{"op", "probe"},
            {"video_bytes", static_cast<std::int64_t>(std::filesystem::file_size(test::kClip))}};
  }
  static std::string status_of(pid_t pid, const std::string& name) {
    std::ifstream in{"/proc/" + std::to_string(pid) + "/status"};
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with(name + ":")) {
        return line.substr(name.size() + 2);
      }
    }
    return "";
  }
  static pid_t newest_child() {
    pid_t newest = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") == std::string::npos &&
          status_of(std::stoi(name), "PPid") == std::to_string(getpid()) &&
          !status_of(std::stoi(name), "State").starts_with("Z")) {
        newest = std::max(newest, std::stoi(name));
      }
    }
    return newest;
  }

  asio::io_context context_{1};
  TaskLimits limits_ = probe_limits(1'000'000);
  int frames_ = 0;
};

TEST(RunnerOptions, ComeThroughTheCommandLineAsTheyWere) {
  const RunnerOptions options{{"/a folder/\"models\"/one.onnx", "two.onnx"}, "cpu", 3, 5, true};
  EXPECT_EQ(RunnerOptions::from_argument(options.to_argument()), options);
  EXPECT_THROW(RunnerOptions::from_argument("--threads"), std::exception);
}

TEST_F(Runner, AnswersAfterATaskThatFailed) {
  RunnerProcess runner{context_.get_executor(), RunnerOptions{}};
  EXPECT_EQ(run(runner, {{"op", "segment"}, {"params", {{"pipeline", "none"}}}}).substr(0, 5),
            "task:");
  EXPECT_TRUE(runner.usable());
  EXPECT_EQ(run(runner, {{"op", "segment"}}).substr(0, 5), "task:");
  EXPECT_EQ(run(runner, probe()), "");
  EXPECT_EQ(frames_, 1);
  EXPECT_TRUE(runner.usable());
}

// A5: a dead runner is not handed out again.
TEST_F(Runner, ADeadOneIsKnownToBeOfNoUse) {
  RunnerProcess runner{context_.get_executor(), RunnerOptions{}};
  EXPECT_EQ(run(runner, probe()), "");
  runner.kill();
  for (int i = 0; i < 200 && runner.usable(); ++i) {
    usleep(10'000);
  }
  EXPECT_FALSE(runner.usable());
  EXPECT_EQ(run(runner, probe()).substr(0, 6), "crash:");
}

// A spare one that has said that it is ready, and died since.
TEST_F(Runner, ADeadSpareIsKnownToo) {
  RunnerProcess runner{context_.get_executor(), RunnerOptions{}};
  for (int i = 0; i < 500; ++i) {
    usleep(2'000);  // it is up by then, or the kill comes even earlier: dead it is anyway
  }
  EXPECT_TRUE(runner.usable());
  runner.kill();
  for (int i = 0; i < 200 && runner.usable(); ++i) {
    usleep(10'000);
  }
  EXPECT_FALSE(runner.usable());
}

TEST_F(Runner, AMissingModelIsSaid) {
  RunnerProcess runner{context_.get_executor(), RunnerOptions{{"/nowhere/none.onnx"}, "cpu", 1}};
  EXPECT_EQ(run(runner, probe()),
            "not started: no runner can be started here: /nowhere/none.onnx has no manifest");
  EXPECT_FALSE(runner.usable());
}

// What goes on for too long ends, whatever it does meanwhile. B1.
TEST_F(Runner, IsKilledWhenItsTaskCostsTooMuch) {
  limits_.turns = std::chrono::seconds{2};
  EXPECT_EQ(escape("spin"), "over: the runner took longer than 2 s");
  EXPECT_EQ(escape("sleep"), "over: the runner took longer than 2 s");
  limits_.turns = std::chrono::seconds{60};
  limits_.cpu_seconds = 1;
  EXPECT_EQ(escape("spin-with-threads"), "over: the runner used more than 1 s of processor time");
  limits_.cpu_seconds = 60;
  limits_.read_bytes = 100'000'000;
  EXPECT_EQ(escape("ask-without-end"), "over: the runner read more than 100000000 bytes");
}

TEST_F(Runner, IsNamedByWhatItTried) {
  EXPECT_EQ(escape("fork"), "crash: the runner tried what its box does not allow (SIGSYS)");
  EXPECT_EQ(escape("connect /x"), "crash: the runner tried what its box does not allow (SIGSYS)");
  EXPECT_EQ(escape("open /etc/passwd"), "task: refused: Permission denied");
  EXPECT_EQ(escape("garbage 0"), "crash: the runner sent something that is no message");
}

// C3: who ends is waited for by the executor, not by a thread.
TEST_F(Runner, LeavesNoZombie) {
  while (waitpid(-1, nullptr, 0) > 0) {
    // Those of other tests, whose executors are gone.
  }
  for (int i = 0; i < 3; ++i) {
    RunnerProcess runner{context_.get_executor(), RunnerOptions{}};
    EXPECT_EQ(run(runner, probe()), "");
  }
  context_.restart();
  context_.run();  // until all have been waited for
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

// So that requests are answered while jobs use every core.
TEST_F(Runner, GivesWayToOthers) {
  RunnerProcess runner{context_.get_executor(), RunnerOptions{}};
  EXPECT_EQ(run(runner, probe()), "");
  const pid_t pid = newest_child();
  ASSERT_GT(pid, 0);
  EXPECT_EQ(sched_getscheduler(pid), SCHED_BATCH);
  EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(pid)), 10);
}

TEST_F(Runner, HasNoRightsThatItDoesNotNeed) {
  RunnerProcess runner{context_.get_executor(), RunnerOptions{}};
  EXPECT_EQ(run(runner, probe()), "");
  const pid_t pid = newest_child();
  ASSERT_GT(pid, 0);
  EXPECT_EQ(status_of(pid, "NoNewPrivs"), "1");
  EXPECT_EQ(status_of(pid, "Seccomp"), "2");
  if (geteuid() == 0) {
    EXPECT_EQ(status_of(pid, "Uid").substr(0, 5), "65534");
    EXPECT_EQ(status_of(pid, "Gid").substr(0, 5), "65534");
    EXPECT_EQ(status_of(pid, "CapEff"), "0000000000000000");
  }
  std::ifstream environment{"/proc/" + std::to_string(pid) + "/environ"};
  const std::string variables{std::istreambuf_iterator<char>{environment}, {}};
  EXPECT_EQ(variables.find("DB_"), std::string::npos);
  EXPECT_EQ(variables.find("HOME="), std::string::npos);
  // One socket, and the three that every process has.
  std::error_code error;
  int open = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/fd", error}) {
    open += std::stoi(entry.path().filename()) > 3 ? 1 : 0;
  }
  EXPECT_EQ(open, 0);
}

// A library with threads of its own would be in the middle of something when the box closes. ONNX
// Runtime has one that reports to its maker, unless it is told before that it must not.
TEST_F(Runner, IsAloneInItsBox) {
  const std::vector<std::string> models{INFERNODE_MODELS "/blazeface-front.onnx"};
  for (const char* device : {"cpu", "auto"}) {
    RunnerProcess runner{context_.get_executor(), RunnerOptions{models, device, 1}};
    EXPECT_EQ(run(runner, probe()), "");
    const pid_t pid = newest_child();
    ASSERT_GT(pid, 0);
    EXPECT_EQ(status_of(pid, "Threads"), "1") << device;
  }
}

}  // namespace
}  // namespace infernode::runner
