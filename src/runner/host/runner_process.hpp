#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "media/crop.hpp"
#include "runner/fault.hpp"
#include "runner/limits.hpp"
#include "runner/options.hpp"

namespace infernode::runner {

namespace asio = boost::asio;

// The runner died, or sent what makes no sense and was killed. what() is for the log: it names what
// the runner did.
class RunnerCrashed : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// The runner was killed because its task cost more than it may, or gave no sign of life.
class RunnerOverLimit : public RunnerCrashed {
public:
  using RunnerCrashed::RunnerCrashed;
};

// The runner did not come so far as to take a task: a model that cannot be loaded, no memory. That
// is this machine's fault, not the task's.
class RunnerNotStarted : public Unavailable {
public:
  using Unavailable::Unavailable;
};

// The runner says that its task cannot be done.
class TaskFailed : public std::runtime_error {
public:
  TaskFailed(Fault fault, const std::string& detail) : std::runtime_error{detail}, fault_{fault} {}
  Fault fault() const { return fault_; }

private:
  Fault fault_;
};

// What a task sends on its way: a frame's JSON and image, or a probe's thumbnail.
struct RunnerFrame {
  int frame = 0;
  std::string json;
  std::vector<std::byte> jpeg;
  std::vector<media::Crop> crops;  // of its objects, ascending
};

// Gives up to `max_bytes` of a source (0: the task's video) from `offset` on; empty at its end.
using SourceReader = std::function<asio::awaitable<std::vector<std::byte>>(
    std::uint32_t source, std::int64_t offset, std::size_t max_bytes)>;
// Takes bytes of the annotated video: of the body in order, then of what comes before all of it.
enum class VideoPart { body, head };
using VideoSink =
    std::function<asio::awaitable<void>(VideoPart part, std::vector<std::byte> bytes)>;
using FrameSink = std::function<asio::awaitable<void>(RunnerFrame frame)>;

// A runner: this binary, started again as a child that has a socket and nothing else.
class RunnerProcess {
public:
  // Throws std::system_error.
  RunnerProcess(asio::any_io_executor executor, RunnerOptions options);
  // Whoever is at the other end of a stream socket, which it owns from now on.
  struct Connected {
    int socket;
  };
  RunnerProcess(asio::any_io_executor executor, Connected other_end);
  // Kills the child, and lets the executor wait for its end.
  ~RunnerProcess();
  RunnerProcess(const RunnerProcess&) = delete;
  RunnerProcess& operator=(const RunnerProcess&) = delete;

  // Runs one task to its end, within its limits, and returns the outcome. Throws RunnerNotStarted,
  // RunnerCrashed, RunnerOverLimit or TaskFailed, and what `read` and the sinks throw; after
  // anything but TaskFailed the runner is of no more use.
  asio::awaitable<boost::json::object> run(boost::json::object task, TaskLimits limits,
                                           SourceReader read, FrameSink sink, VideoSink video = {});
  // Ends the child at once; a run() under way throws RunnerCrashed.
  void kill();
  // What it was started with.
  const RunnerOptions& options() const { return options_; }
  // False once it has died, or something went wrong in a run().
  bool usable() const;

private:
  struct State;
  RunnerOptions options_;
  std::shared_ptr<State> state_;
};

}  // namespace infernode::runner
