#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "inference/model_catalogue.hpp"
#include "results/frame_stream.hpp"
#include "testing/file_source.hpp"
#include "testing/services.hpp"
#include "testing/test_server.hpp"
#include "worker/worker.hpp"

namespace infernode::test {

// Real workers with the real runner, clip and model, on a database of their own.
class AtWork : public testing::Test {
protected:
  // A clip of the example's first frames, and a user who has it.
  MadeJob upload(int frames = 120) {
    MadeJob made;
    made.user = services_.make_user();
    made.dataset = services_.make_dataset(made.user);
    made.video = services_.make_video(made.dataset, frames, read_file(kClip.string()));
    // The stream starts at its first keyframe; the factory's others are not this clip's, nor is its
    // size.
    services_.database.sql(
        "UPDATE \"Videos\" SET keyframes = '[[0,0,0]]', width = 768, height = 576");
    return made;
  }
  Worker& add_worker(int threads = 2) {
    WorkerSettings settings;
    settings.info = services_.worker;
    settings.info.id = WorkerId::random();
    settings.threads = threads;
    settings.energy.grid = {475, "test"};
    const WorkerServices parts{services_.segments, services_.assembler, services_.blobs,
                               services_.pipelines, models_};
    workers_.push_back(
        std::make_unique<Worker>(services_.database.context().get_executor(), parts, settings));
    asio::co_spawn(services_.database.context(), workers_.back()->run(),
                   [this](const std::exception_ptr& error) {
                     EXPECT_FALSE(error);
                     ++stopped_;
                   });
    return *workers_.back();
  }
  void wait_until(const std::function<bool()>& done) {
    services_.database.run([&]() -> asio::awaitable<void> {
      asio::steady_timer timer{services_.database.context()};
      for (int i = 0; i < 6000 && !done(); ++i) {
        timer.expires_after(std::chrono::milliseconds{10});
        co_await timer.async_wait(asio::use_awaitable);
      }
      EXPECT_TRUE(done());
    });
  }
  // Children of this process, by the name that they were started with.
  static std::set<pid_t> runners() {
    std::set<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) {
        continue;
      }
      std::ifstream status{entry.path() / "status"};
      const std::string text{std::istreambuf_iterator<char>{status}, {}};
      std::ifstream line{entry.path() / "cmdline"};
      const std::string command{std::istreambuf_iterator<char>{line}, {}};
      if (text.find("\nPPid:\t" + std::to_string(getpid()) + "\n") != std::string::npos &&
          text.find("\nState:\tZ") == std::string::npos &&
          command.find("infernode") != std::string::npos &&
          command.find("runner") != std::string::npos) {
        found.insert(std::stoi(name));
      }
    }
    return found;
  }
  // Also the one that waits, which would be taken next: its end takes a while on a busy machine.
  void kill_runners() {
    const auto killed = runners();
    for (const pid_t pid : killed) {
      kill(pid, SIGKILL);
    }
    wait_until([&] {
      const auto left = runners();
      return std::none_of(killed.begin(), killed.end(),
                          [&](pid_t pid) { return left.contains(pid); });
    });
  }
  std::string status(const MadeJob& made) {
    return services_.database.value("SELECT status FROM \"InferenceJobs\" WHERE id = '" +
                                    made.job.to_string() + "'");
  }
  void wait_for_end(const MadeJob& made) {
    wait_until([&] {
      const auto now = status(made);
      return now != "PENDING" && now != "RUNNING";
    });
  }
  void stop_workers() {
    for (auto& worker : workers_) {
      worker->stop();
    }
    wait_until([&] { return stopped_ == static_cast<int>(workers_.size()); });
  }
  boost::json::value head(const MadeJob& made) {
    return boost::json::parse(
        services_.database.value("SELECT json_res FROM \"Results\" WHERE \"inferenceJob_id\" = '" +
                                 made.job.to_string() + "'"));
  }
  // What a result keeps in one of its blobs.
  std::vector<std::byte> bytes(const MadeJob& made, const std::string& column) {
    const auto blob =
        BlobId::parse(services_.database.value("SELECT \"" + column +
                                               "\" FROM \"Results\" WHERE \"inferenceJob_id\" = '" +
                                               made.job.to_string() + "'"))
            .value();
    std::vector<std::byte> all;
    services_.database.run([&]() -> asio::awaitable<void> {
      for (;;) {
        const auto some =
            co_await services_.blobs.read(blob, static_cast<std::int64_t>(all.size()), 1 << 20);
        if (some.empty()) {
          break;
        }
        all.insert(all.end(), some.begin(), some.end());
      }
    });
    return all;
  }
  std::string bytes_hash(const MadeJob& made, const std::string& column) {
    Sha256 sha;
    sha.update(bytes(made, column));
    const auto digest = sha.finish();
    return hex(digest);
  }

  std::vector<boost::json::value> frames(const MadeJob& made) {
    const auto blob =
        BlobId::parse(services_.database.value(
                          "SELECT frames FROM \"Results\" WHERE \"inferenceJob_id\" = '" +
                          made.job.to_string() + "'"))
            .value();
    std::vector<boost::json::value> all;
    services_.database.run([&]() -> asio::awaitable<void> {
      FrameStream stream{[&](std::int64_t offset, std::size_t max_bytes) {
        return services_.blobs.read(blob, offset, max_bytes);
      }};
      while (const auto frame = co_await stream.next()) {
        all.push_back(boost::json::parse(*frame));
      }
    });
    return all;
  }

  Services services_;
  inference::ModelCatalogue models_ = inference::load_catalogue(INFERNODE_MODELS);
  std::vector<std::unique_ptr<Worker>> workers_;
  int stopped_ = 0;
};

}  // namespace infernode::test
