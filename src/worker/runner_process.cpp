#include "worker/runner_process.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <span>
#include <system_error>
#include <thread>

#include "core/json.hpp"
#include "runner/protocol.hpp"

namespace infernode {
namespace {

using runner::MessageHeader;
using runner::MessageType;
using Socket = asio::local::stream_protocol::socket;

// A frame takes well under a second; probing sends a read request at least every 512 KiB.
constexpr std::chrono::seconds kSilenceLimit{60};

// The runner must not see our secrets, so it inherits only what its libraries need.
std::vector<std::string> runner_environment() {
  std::vector<std::string> variables;
  for (const char* name :
       {"PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TZ", "CUDA_VISIBLE_DEVICES"}) {
    if (const char* value = std::getenv(name)) {
      variables.push_back(fmt::format("{}={}", name, value));
    }
  }
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts) {
    result.push_back(text.data());
  }
  result.push_back(nullptr);
  return result;
}

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

pid_t spawn(int socket, const runner::RunnerOptions& options) {
  std::vector<std::string> arguments{"infernode", "runner", "--threads",
                                     std::to_string(options.threads)};
  if (!options.model.empty()) {
    for (const std::string& argument :
         {std::string{"--model-folder"}, options.model_folder, std::string{"--model"},
          options.model, std::string{"--device"}, options.device}) {
      arguments.push_back(argument);
    }
  }
  auto environment = runner_environment();
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, socket, runner::kRunnerDescriptor);
  // Clients' sockets are inheritable; none of them may reach the runner.
  posix_spawn_file_actions_addclosefrom_np(&actions, runner::kRunnerDescriptor + 1);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = -1;
  const int error = posix_spawn(&child, "/proc/self/exe", &actions, &attributes,
                                pointers(arguments).data(), pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    fail(error, "the runner cannot be started");
  }
  return child;
}

}  // namespace

struct RunnerProcess::State : std::enable_shared_from_this<RunnerProcess::State> {
  explicit State(asio::any_io_executor executor) : socket{executor}, watchdog{executor} {}

  Socket socket;
  asio::steady_timer watchdog;
  pid_t child = -1;
  bool ready = false;
  bool silent = false;

  void kill_child() const {
    if (child > 0) {
      ::kill(child, SIGKILL);
    }
  }

  asio::awaitable<MessageHeader> receive_header() {
    MessageHeader header{};
    co_await read_into(asio::buffer(&header, sizeof header));
    if (header.size > runner::kMaxMessageBytes) {
      kill_child();
      throw RunnerCrashed("the runner sent something that is no message");
    }
    co_return header;
  }

  asio::awaitable<void> read_into(asio::mutable_buffer target) {
    boost::system::error_code error;
    co_await asio::async_read(socket, target, asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      throw RunnerCrashed(
          silent ? fmt::format("the runner gave no sign of life for {} s", kSilenceLimit.count())
                 : std::string{"the runner ended unexpectedly"});
    }
  }

  asio::awaitable<std::string> receive_text(std::uint32_t size) {
    std::string text(size, '\0');
    co_await read_into(asio::buffer(text));
    co_return text;
  }

  asio::awaitable<void> send(MessageType type, std::span<const std::byte> payload) {
    const MessageHeader header{type, static_cast<std::uint32_t>(payload.size())};
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(&header, sizeof header),
                                                    asio::buffer(payload.data(), payload.size())};
    boost::system::error_code error;
    co_await asio::async_write(socket, buffers, asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      throw RunnerCrashed("the runner ended unexpectedly");
    }
  }

  void watch() {
    watchdog.expires_after(kSilenceLimit);
    watchdog.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = weak.lock();
      if (!error && self) {
        self->silent = true;
        self->kill_child();
      }
    });
  }

  [[noreturn]] static void raise(const std::string& text) {
    const auto error = boost::json::parse(text);
    throw TaskFailed(boost::json::value_to<std::string>(error.at("fault")),
                     boost::json::value_to<std::string>(error.at("detail")));
  }
};

RunnerProcess::RunnerProcess(asio::any_io_executor executor, const runner::RunnerOptions& options)
    : state_{std::make_shared<State>(std::move(executor))} {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    fail(errno, "socketpair");
  }
  try {
    state_->child = spawn(ends[1], options);
  } catch (...) {
    close(ends[0]);
    close(ends[1]);
    throw;
  }
  close(ends[1]);
  state_->socket.assign(asio::local::stream_protocol{}, ends[0]);
}

RunnerProcess::~RunnerProcess() {
  state_->watchdog.cancel();
  kill();
  // Reaping may take a moment while the kernel gives back the child's memory.
  std::thread{[child = state_->child] { waitpid(child, nullptr, 0); }}.detach();
}

void RunnerProcess::kill() {
  state_->kill_child();
}

asio::awaitable<boost::json::object> RunnerProcess::run(boost::json::object task, VideoReader read,
                                                        FrameSink sink) {
  const auto keep = state_;  // outlives *this when the whole program is being taken down
  State& state = *keep;
  struct StopWatching {
    asio::steady_timer& timer;
    ~StopWatching() { timer.cancel(); }
  } const stop{state.watchdog};
  state.watch();
  if (!state.ready) {
    const MessageHeader header = co_await state.receive_header();
    const std::string text = co_await state.receive_text(header.size);
    if (header.type != MessageType::ready) {
      State::raise(text);
    }
    state.ready = true;
  }
  const std::string request = json_text(task);
  co_await state.send(MessageType::task, std::as_bytes(std::span{request.data(), request.size()}));
  for (;;) {
    state.watch();
    const MessageHeader header = co_await state.receive_header();
    if (header.type == MessageType::read) {
      runner::ReadRequest wanted{};
      co_await state.read_into(asio::buffer(&wanted, sizeof wanted));
      const auto bytes = co_await read(wanted.offset, wanted.max_bytes);
      co_await state.send(MessageType::data, bytes);
    } else if (header.type == MessageType::frame) {
      runner::FrameHeader frame_header{};
      co_await state.read_into(asio::buffer(&frame_header, sizeof frame_header));
      const auto rest = header.size - static_cast<std::uint32_t>(sizeof frame_header);
      if (header.size < sizeof frame_header || frame_header.json_bytes > rest) {
        throw RunnerCrashed("the runner sent something that is no frame");
      }
      RunnerFrame frame;
      frame.frame = frame_header.frame;
      frame.json = co_await state.receive_text(frame_header.json_bytes);
      frame.jpeg.resize(rest - frame_header.json_bytes);
      co_await state.read_into(asio::buffer(frame.jpeg));
      co_await sink(std::move(frame));
    } else {
      const std::string text = co_await state.receive_text(header.size);
      if (header.type == MessageType::error) {
        State::raise(text);
      }
      co_return boost::json::parse(text).as_object();
    }
  }
}

}  // namespace infernode
