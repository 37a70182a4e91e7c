#include "runner/host/runner_process.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <span>
#include <system_error>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "runner/protocol.hpp"

namespace infernode::runner {
namespace {

using Socket = asio::local::stream_protocol::socket;

// A frame takes well under a second; probing sends a read request at least every 512 KiB. Counted
// only while it is the runner's turn: reading for it and storing what it sent is our time.
constexpr std::chrono::seconds kSilenceLimit{60};
constexpr std::chrono::seconds kWatchInterval{1};
// A child that closed its socket is about to end.
constexpr std::chrono::seconds kEndPatience{2};
// What people are told of a video is a sentence or two.
constexpr std::size_t kMaxDetailBytes = 500;

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
  explicit State(asio::any_io_executor executor)
      : socket{executor}, process{executor}, watchdog{executor} {}

  Socket socket;
  asio::posix::stream_descriptor process;  // a pidfd: readable once the child has ended
  asio::steady_timer watchdog;
  pid_t child = -1;          // -1: somebody at the other end that is no child of ours
  std::optional<int> ended;  // how the child ended, as waitpid() says; it was reaped then
  bool ready = false;
  bool broken = false;  // something went wrong in the middle of a task

  // Of the task under way.
  TaskLimits limits;
  std::optional<std::chrono::steady_clock::time_point> turn;  // since when it is the runner's turn
  double earlier_turns = 0;                                   // seconds
  double cpu_before = 0;                                      // seconds
  std::int64_t read_bytes = 0;
  std::int64_t frames = 0;
  std::int64_t video_bytes = 0;
  std::vector<media::Crop> crops;  // whose frame has not come yet
  std::int64_t crop_bytes = 0;
  int crop_frame = 0;
  std::string exceeded;  // which limit it was killed for

  // By the pidfd, which never means another process.
  void kill_child() {
    if (child > 0 && !ended) {
      syscall(SYS_pidfd_send_signal, process.native_handle(), SIGKILL, nullptr, 0);
    }
  }

  // Takes note of the child's end, if it has come.
  bool reap() {
    int status = 0;
    if (child > 0 && !ended && waitpid(child, &status, WNOHANG) == child) {
      ended = status;
    }
    return ended.has_value();
  }

  // Kills the child over something that no honest runner does.
  [[noreturn]] void violated(const std::string& what) {
    kill_child();
    throw RunnerCrashed("the runner " + what);
  }

  // Seconds of processor time that the child has used; 0 when it is gone.
  double cpu_seconds() const {
    clockid_t clock{};
    timespec time{};
    if (child <= 0 || ended || clock_getcpuclockid(child, &clock) != 0 ||
        clock_gettime(clock, &time) != 0) {
      return 0;
    }
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  }

  // --- whose turn it is: only the runner's own time counts against it

  void runners_turn() { turn = std::chrono::steady_clock::now(); }
  void our_turn() {
    if (turn) {
      earlier_turns += seconds_since(*turn);
      turn.reset();
    }
  }

  std::string exceeds() const {
    const double silence = turn ? seconds_since(*turn) : 0;
    if (silence > static_cast<double>(kSilenceLimit.count())) {
      return fmt::format("gave no sign of life for {} s", kSilenceLimit.count());
    }
    if (earlier_turns + silence > static_cast<double>(limits.turns.count())) {
      return fmt::format("took longer than {} s", limits.turns.count());
    }
    if (cpu_seconds() - cpu_before > limits.cpu_seconds) {
      return fmt::format("used more than {:.0f} s of processor time", limits.cpu_seconds);
    }
    return "";
  }

  void watch() {
    watchdog.expires_after(kWatchInterval);
    watchdog.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = weak.lock();
      if (error || !self) {
        return;
      }
      self->exceeded = self->exceeds();
      if (self->exceeded.empty()) {
        self->watch();
      } else {
        self->kill_child();
      }
    });
  }

  void begin(const TaskLimits& given) {
    limits = given;
    earlier_turns = 0;
    cpu_before = cpu_seconds();
    read_bytes = 0;
    frames = 0;
    video_bytes = 0;
    crops.clear();
    crop_bytes = 0;
    exceeded.clear();
    runners_turn();
    watch();
#ifndef __SANITIZE_ADDRESS__
    // Where this is not permitted, the limit that the runner has of its own stays.
    rlimit memory{};
    if (child > 0 && !ended && prlimit(child, RLIMIT_DATA, nullptr, &memory) == 0) {
      memory.rlim_cur = std::min(static_cast<rlim_t>(limits.memory_bytes), memory.rlim_max);
      prlimit(child, RLIMIT_DATA, &memory, nullptr);
    }
#endif
  }

  // --- messages

  // The header of a message, of a type that may come here and no larger than that type may be.
  asio::awaitable<MessageHeader> receive_header() {
    MessageHeader header{};
    co_await read_into(asio::buffer(&header, sizeof header));
    const auto largest = largest_message(header.type);
    if (!largest) {
      violated("sent something that is no message");
    }
    if (header.size > *largest) {
      violated(fmt::format("announced a message of {} bytes", header.size));
    }
    co_return header;
  }

  std::optional<std::uint32_t> largest_message(MessageType type) const {
    switch (type) {
      case MessageType::ready:
      case MessageType::error:
        return kMaxErrorBytes;
      case MessageType::read:
        return static_cast<std::uint32_t>(sizeof(ReadRequest));
      case MessageType::frame:
        return static_cast<std::uint32_t>(sizeof(FrameHeader)) + limits.json_bytes +
               limits.jpeg_bytes;
      case MessageType::done:
        return limits.outcome_bytes;
      case MessageType::crop:
        return static_cast<std::uint32_t>(sizeof(CropHeader)) + limits.jpeg_bytes;
      case MessageType::video:
      case MessageType::video_head:
        return kVideoBytes;
      case MessageType::task:
      case MessageType::data:
        break;
    }
    return std::nullopt;
  }

  asio::awaitable<void> read_into(asio::mutable_buffer target) {
    boost::system::error_code error;
    co_await asio::async_read(socket, target, asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      co_await tell_end();
    }
  }

  // Says why the child is gone.
  asio::awaitable<void> tell_end() {
    if (!exceeded.empty()) {
      throw RunnerOverLimit("the runner " + exceeded);
    }
    if (child > 0 && !reap()) {
      boost::system::error_code ignored;
      watchdog.expires_after(kEndPatience);
      watchdog.async_wait([self = shared_from_this()](boost::system::error_code late) {
        if (!late) {
          self->process.cancel();
        }
      });
      co_await process.async_wait(asio::posix::stream_descriptor::wait_read,
                                  asio::redirect_error(asio::use_awaitable, ignored));
      reap();
    }
    if (!ended || !WIFSIGNALED(*ended)) {
      throw RunnerCrashed("the runner ended unexpectedly");
    }
    const int signal = WTERMSIG(*ended);
    throw RunnerCrashed(
        signal == SIGSYS
            ? std::string{"the runner tried what its box does not allow (SIGSYS)"}
            : fmt::format("the runner was ended by signal {} ({})", signal, strsignal(signal)));
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
      co_await tell_end();
    }
  }

  asio::awaitable<void> answer_read(const MessageHeader& header, const SourceReader& read) {
    ReadRequest wanted{};
    if (header.size != sizeof wanted) {
      violated("sent something that is no read request");
    }
    co_await read_into(asio::buffer(&wanted, sizeof wanted));
    if (wanted.offset < 0 || wanted.max_bytes == 0 || wanted.max_bytes > kReadBytes) {
      violated("asked for bytes that cannot be");
    }
    read_bytes += wanted.max_bytes;
    if (read_bytes > limits.read_bytes) {
      exceeded = fmt::format("read more than {} bytes", limits.read_bytes);
      kill_child();
      throw RunnerOverLimit("the runner " + exceeded);
    }
    our_turn();
    const auto bytes = co_await read(wanted.source, wanted.offset, wanted.max_bytes);
    runners_turn();
    co_await send(MessageType::data, bytes);
  }

  asio::awaitable<RunnerFrame> receive_frame(const MessageHeader& header) {
    FrameHeader parts{};
    if (header.size < sizeof parts) {
      violated("sent something that is no frame");
    }
    if (++frames > limits.frames) {
      violated(fmt::format("sent more than {} frames", limits.frames));
    }
    co_await read_into(asio::buffer(&parts, sizeof parts));
    const auto rest = header.size - static_cast<std::uint32_t>(sizeof parts);
    if (parts.json_bytes > rest || parts.json_bytes > limits.json_bytes ||
        rest - parts.json_bytes > limits.jpeg_bytes) {
      violated("sent a frame whose parts do not fit");
    }
    RunnerFrame frame;
    frame.frame = parts.frame;
    frame.crops = take_crops(parts.frame);
    frame.json = co_await receive_text(parts.json_bytes);
    if (rest > parts.json_bytes) {
      frame.jpeg = co_await receive_jpeg(rest - parts.json_bytes);
    }
    co_return frame;
  }

  asio::awaitable<std::vector<std::byte>> receive_jpeg(std::uint32_t size) {
    std::vector<std::byte> jpeg(size);
    co_await read_into(asio::buffer(jpeg));
    if (!is_jpeg(jpeg)) {
      violated("sent an image that is no JPEG");
    }
    co_return jpeg;
  }

  // Keeps it for its frame, which follows.
  asio::awaitable<void> receive_crop(const MessageHeader& header) {
    CropHeader parts{};
    if (header.size <= sizeof parts) {
      violated("sent something that is no part of a picture");
    }
    co_await read_into(asio::buffer(&parts, sizeof parts));
    crop_bytes += header.size;
    if (crop_bytes > limits.crop_bytes) {
      violated(fmt::format("sent parts of a picture of more than {} bytes", limits.crop_bytes));
    }
    if (parts.object > media::kMaxCropObject ||
        (!crops.empty() && (parts.frame != crop_frame || parts.object <= crops.back().object))) {
      violated("sent a part of a picture that is not its turn");
    }
    if (crops.size() >= media::kMaxCrops) {
      violated("sent too many parts of a picture");
    }
    crop_frame = parts.frame;
    auto jpeg = co_await receive_jpeg(header.size - static_cast<std::uint32_t>(sizeof parts));
    crops.push_back({parts.object, std::move(jpeg)});
  }

  std::vector<media::Crop> take_crops(int frame) {
    if (!crops.empty() && crop_frame != frame) {
      violated("sent parts of another picture");
    }
    crop_bytes = 0;
    return std::exchange(crops, {});
  }

  asio::awaitable<std::vector<std::byte>> receive_video(const MessageHeader& header) {
    video_bytes += header.size;
    if (video_bytes > limits.video_bytes) {
      violated(fmt::format("sent a video of more than {} bytes", limits.video_bytes));
    }
    std::vector<std::byte> bytes(header.size);
    co_await read_into(asio::buffer(bytes));
    co_return bytes;
  }

  // By its first and last two bytes (ITU T.81, B.1.1.3: SOI and EOI).
  static bool is_jpeg(std::span<const std::byte> bytes) {
    const auto at = [&](std::size_t index) { return std::to_integer<unsigned>(bytes[index]); };
    const auto end = bytes.size();
    return end >= 4 && at(0) == 0xff && at(1) == 0xd8 && at(end - 2) == 0xff && at(end - 1) == 0xd9;
  }

  // A message's text as an object.
  boost::json::object object_of(const std::string& text) {
    boost::system::error_code error;
    auto value = boost::json::parse(text, error);
    if (error || !value.is_object()) {
      violated("sent something that is no JSON object");
    }
    return std::move(value.as_object());
  }

  [[noreturn]] void raise(const std::string& text) {
    const auto error = object_of(text);
    const auto* fault = error.if_contains("fault");
    const auto* detail = error.if_contains("detail");
    if (fault == nullptr || !fault->is_string() || detail == nullptr || !detail->is_string()) {
      violated("sent an error that says nothing");
    }
    const auto known = from_text<Fault>(std::string_view{fault->as_string()});
    const auto& words = detail->as_string();
    // People see it.
    if (!known || !is_utf8(words) || has_control_character(words)) {
      violated("sent an error that is none");
    }
    broken = false;  // it waits for its next task
    throw TaskFailed(*known, std::string{utf8_prefix(words, kMaxDetailBytes)});
  }
};

RunnerProcess::RunnerProcess(asio::any_io_executor executor, RunnerOptions options)
    : options_{std::move(options)}, state_{std::make_shared<State>(std::move(executor))} {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    fail(errno, "socketpair");
  }
  try {
    state_->child = spawn(ends[1], options_);
  } catch (...) {
    close(ends[0]);
    close(ends[1]);
    throw;
  }
  close(ends[1]);
  state_->socket.assign(asio::local::stream_protocol{}, ends[0]);
  // Not by the C library's functions: glibc 2.36 declares them for C only.
  const auto process = static_cast<int>(syscall(SYS_pidfd_open, state_->child, 0));
  if (process < 0) {
    const int error = errno;
    ::kill(state_->child, SIGKILL);
    waitpid(state_->child, nullptr, 0);
    fail(error, "pidfd_open");
  }
  state_->process.assign(process);
}

RunnerProcess::RunnerProcess(asio::any_io_executor executor, Connected other_end)
    : state_{std::make_shared<State>(std::move(executor))} {
  state_->socket.assign(asio::local::stream_protocol{}, other_end.socket);
}

RunnerProcess::~RunnerProcess() {
  state_->watchdog.cancel();
  kill();
  if (state_->child > 0 && !state_->reap()) {
    // Its end takes a moment, while the kernel gives back its memory; the state waits for it.
    state_->process.async_wait(asio::posix::stream_descriptor::wait_read,
                               [state = state_](boost::system::error_code) { state->reap(); });
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

asio::awaitable<boost::json::object> RunnerProcess::run(boost::json::object task, TaskLimits limits,
                                                        SourceReader read, FrameSink sink,
                                                        VideoSink video) {
  const auto keep = state_;  // outlives *this when the whole program is being taken down
  State& state = *keep;
  struct StopWatching {
    asio::steady_timer& timer;
    ~StopWatching() { timer.cancel(); }
  } const stop{state.watchdog};
  state.broken = true;
  state.begin(limits);
  if (!state.ready) {
    std::string fault;
    try {
      const MessageHeader header = co_await state.receive_header();
      const std::string text = co_await state.receive_text(header.size);
      if (header.type == MessageType::error) {
        state.raise(text);
      }
      if (header.type != MessageType::ready) {
        state.violated("did not say that it is ready");
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
    state.runners_turn();
    const MessageHeader header = co_await state.receive_header();
    switch (header.type) {
      case MessageType::read:
        co_await state.answer_read(header, read);
        break;
      case MessageType::frame: {
        auto frame = co_await state.receive_frame(header);
        state.our_turn();
        co_await sink(std::move(frame));
        break;
      }
      case MessageType::crop:
        co_await state.receive_crop(header);
        break;
      case MessageType::video:
      case MessageType::video_head: {
        auto bytes = co_await state.receive_video(header);
        if (!video) {
          state.violated("sent a video that nobody asked for");
        }
        state.our_turn();
        const auto part = header.type == MessageType::video ? VideoPart::body : VideoPart::head;
        co_await video(part, std::move(bytes));
        break;
      }
      case MessageType::error:
        state.raise(co_await state.receive_text(header.size));
      case MessageType::done: {
        auto outcome = state.object_of(co_await state.receive_text(header.size));
        state.broken = false;
        co_return outcome;
      }
      default:
        state.violated("said twice that it is ready");
    }
  }
}

}  // namespace infernode::runner
