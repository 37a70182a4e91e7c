#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "runner/runner.hpp"

namespace infernode {

namespace asio = boost::asio;

// The runner died, or gave no sign of life for too long and was killed.
class RunnerCrashed : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// The runner says that its task cannot be done. `fault`: "not_a_video", "damaged", "unsupported"
// for what is in the video, "internal" for the rest.
class TaskFailed : public std::runtime_error {
public:
  TaskFailed(std::string fault, const std::string& detail)
      : std::runtime_error{detail}, fault_{std::move(fault)} {}
  const std::string& fault() const { return fault_; }

private:
  std::string fault_;
};

// What a task sends on its way: a frame's JSON and image, or a probe's thumbnail.
struct RunnerFrame {
  int frame = 0;
  std::string json;
  std::vector<std::byte> jpeg;
};

// Gives up to `max_bytes` of the video from `offset` on; empty at its end.
using VideoReader = std::function<asio::awaitable<std::vector<std::byte>>(std::int64_t offset,
                                                                          std::size_t max_bytes)>;
using FrameSink = std::function<asio::awaitable<void>(RunnerFrame frame)>;

// A runner: this binary, started again as a child that has a socket and nothing else.
class RunnerProcess {
public:
  // Throws std::system_error.
  RunnerProcess(asio::any_io_executor executor, const runner::RunnerOptions& options);
  // Kills the child.
  ~RunnerProcess();
  RunnerProcess(const RunnerProcess&) = delete;
  RunnerProcess& operator=(const RunnerProcess&) = delete;

  // Runs one task to its end and returns the outcome. Throws RunnerCrashed or TaskFailed; after a
  // crash, or when abandoned in the middle, the runner is of no more use.
  asio::awaitable<boost::json::object> run(boost::json::object task, VideoReader read,
                                           FrameSink sink);
  // Ends the child at once; a run() under way throws RunnerCrashed.
  void kill();

private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace infernode
