#include "runner/host/runner_process.hpp"

#include <fmt/format.h>
#include <poll.h>
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

namespace infernode::runner {
namespace {

using Socket = asio::local::stream_protocol::socket;

// A frame takes well under a second; probing sends a read request at least every 512 KiB. Counted
// only while it is the runner's turn: reading for it and storing what it sent is our time.
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

pid_t spawn(int socket, const RunnerOptions& options) {
  std::vector<std::string> arguments{"infernode", "runner", options.to_argument()};
  auto environment = runner_environment();
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, socket, kRunnerDescriptor);
  // Clients' sockets are inheritable; none of them may reach the runner.
  posix_spawn_file_actions_addclosefrom_np(&actions, kRunnerDescriptor + 1);
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
  bool broken = false;  // something went wrong in the middle of a task

  void kill_child() const {
    if (child > 0) {
      ::kill(child, SIGKILL);
    }
  }

  asio::awaitable<MessageHeader> receive_header() {
    MessageHeader header{};
    co_await read_into(asio::buffer(&header, sizeof header));
    const bool known = header.type >= MessageType::ready && header.type <= MessageType::error;
    if (!known || header.size > kMaxMessageBytes) {
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

  // A message's text as an object.
  static boost::json::object object_of(const std::string& text) {
    boost::system::error_code error;
    const auto value = boost::json::parse(text, error);
    if (error || !value.is_object()) {
      throw RunnerCrashed("the runner sent something that is no JSON object");
    }
    return value.as_object();
  }

  [[noreturn]] void raise(const std::string& text) {
    const auto error = object_of(text);
    const auto* fault = error.if_contains("fault");
    const auto* detail = error.if_contains("detail");
    if (fault == nullptr || !fault->is_string() || detail == nullptr || !detail->is_string()) {
      throw RunnerCrashed("the runner sent an error that says nothing");
    }
    broken = false;  // it waits for its next task
    throw TaskFailed(
        from_text<Fault>(std::string_view{fault->as_string()}).value_or(Fault::internal),
        boost::json::value_to<std::string>(*detail));
  }
};

RunnerProcess::RunnerProcess(asio::any_io_executor executor, const RunnerOptions& options)
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

RunnerProcess::RunnerProcess(asio::any_io_executor executor, Connected other_end)
    : state_{std::make_shared<State>(std::move(executor))} {
  state_->socket.assign(asio::local::stream_protocol{}, other_end.socket);
}

RunnerProcess::~RunnerProcess() {
  state_->watchdog.cancel();
  kill();
  if (state_->child < 0) {
    return;
  }
  // Reaping may take a moment while the kernel gives back the child's memory.
  const auto reap = [child = state_->child] { waitpid(child, nullptr, 0); };
  try {
    std::thread{reap}.detach();
  } catch (const std::system_error&) {
    reap();  // no thread to be had: then it takes a moment here
  }
}

void RunnerProcess::kill() {
  state_->kill_child();
}

bool RunnerProcess::usable() const {
  // A child that has died shows at its socket's end, whatever it had said before.
  pollfd end{state_->socket.native_handle(), POLLRDHUP, 0};
  return !state_->broken && poll(&end, 1, 0) == 0;
}

asio::awaitable<boost::json::object> RunnerProcess::run(boost::json::object task, SourceReader read,
                                                        FrameSink sink) {
  const auto keep = state_;  // outlives *this when the whole program is being taken down
  State& state = *keep;
  struct StopWatching {
    asio::steady_timer& timer;
    ~StopWatching() { timer.cancel(); }
  } const stop{state.watchdog};
  state.broken = true;
  state.watch();
  if (!state.ready) {
    std::string fault;
    try {
      const MessageHeader header = co_await state.receive_header();
      const std::string text = co_await state.receive_text(header.size);
      if (header.type == MessageType::error) {
        state.raise(text);
      }
    } catch (const std::exception& error) {
      fault = error.what();
    }
    if (!fault.empty()) {
      state.broken = true;
      throw RunnerNotStarted("no runner can be started here: " + fault);
    }
    state.ready = true;
  }
  const std::string request = json_text(task);
  const std::span text{request.data(), request.size()};
  co_await state.send(MessageType::task, std::as_bytes(text));
  for (;;) {
    state.watch();
    const MessageHeader header = co_await state.receive_header();
    if (header.type == MessageType::read) {
      ReadRequest wanted{};
      if (header.size != sizeof wanted) {
        throw RunnerCrashed("the runner sent something that is no read request");
      }
      co_await state.read_into(asio::buffer(&wanted, sizeof wanted));
      if (wanted.offset < 0 || wanted.max_bytes > kReadBytes) {
        throw RunnerCrashed("the runner asked for bytes that cannot be");
      }
      state.watchdog.cancel();
      const auto bytes = co_await read(wanted.source, wanted.offset, wanted.max_bytes);
      state.watch();
      co_await state.send(MessageType::data, bytes);
    } else if (header.type == MessageType::frame) {
      FrameHeader frame_header{};
      if (header.size < sizeof frame_header) {
        throw RunnerCrashed("the runner sent something that is no frame");
      }
      co_await state.read_into(asio::buffer(&frame_header, sizeof frame_header));
      const auto rest = header.size - static_cast<std::uint32_t>(sizeof frame_header);
      if (frame_header.json_bytes > rest) {
        throw RunnerCrashed("the runner sent something that is no frame");
      }
      RunnerFrame frame;
      frame.frame = frame_header.frame;
      frame.json = co_await state.receive_text(frame_header.json_bytes);
      frame.jpeg.resize(rest - frame_header.json_bytes);
      co_await state.read_into(asio::buffer(frame.jpeg));
      state.watchdog.cancel();
      co_await sink(std::move(frame));
    } else {
      const std::string text = co_await state.receive_text(header.size);
      if (header.type == MessageType::error) {
        state.raise(text);
      }
      auto outcome = State::object_of(text);
      state.broken = false;
      co_return outcome;
    }
  }
}

}  // namespace infernode::runner
