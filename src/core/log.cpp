#include "core/log.hpp"

#include <poll.h>
#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <stdexcept>
#include <thread>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "core/json_writer.hpp"

namespace infernode::log {
namespace {

constexpr std::size_t kWaitingLines = 8192;
// What a pipe takes at once: lines of several processes do not get into each other.
constexpr std::size_t kPieceBytes = PIPE_BUF;
constexpr std::chrono::milliseconds kRest{5};

// Standard error. The next lines gather while it rests after a write, so that a busy server does
// not pay a change of threads and a system call for each.
class StandardError : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
public:
  // `pool` is whose thread writes.
  explicit StandardError(spdlog::details::thread_pool& pool) : pool_{pool} {}
  ~StandardError() override { put(); }
  StandardError(const StandardError&) = delete;
  StandardError& operator=(const StandardError&) = delete;

protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (waiting_.size() + message.payload.size() + 1 > kPieceBytes) {
      put();
    }
    waiting_.append(message.payload.data(), message.payload.size()).push_back('\n');
    if (pool_.queue_size() == 0) {
      put();
      std::this_thread::sleep_for(kRest);
    }
  }
  void flush_() override { put(); }

private:
  void put() {
    for (std::string_view rest = waiting_; !rest.empty();) {
      const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
      if (written < 0 && errno == EAGAIN) {
        pollfd room{STDERR_FILENO, POLLOUT, 0};
        poll(&room, 1, -1);
      } else if (written < 0 && errno != EINTR) {
        break;  // nobody is there to read them
      }
      rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
    }
    waiting_.clear();
  }

  // Not shared: the last to let go of the pool must not be its own thread, which it waits for.
  spdlog::details::thread_pool& pool_;
  std::string waiting_;
};

struct Logger {
  std::shared_ptr<spdlog::details::thread_pool> pool =
      std::make_shared<spdlog::details::thread_pool>(kWaitingLines, 1);
  std::shared_ptr<spdlog::logger> lines =
      std::make_shared<spdlog::async_logger>("infernode", std::make_shared<StandardError>(*pool),
                                             pool, spdlog::async_overflow_policy::overrun_oldest);
  std::atomic<bool> json = false;
};

Logger& logger() {
  static Logger instance;
  return instance;
}

std::string_view word(Level level) {
  constexpr std::string_view kWords[] = {"debug", "info", "warning", "error"};
  return kWords[static_cast<int>(level)];
}

// Control characters and, with `ascii`, whatever is not ASCII, by their bytes.
void append_escaped(std::string& line, std::string_view text, bool ascii = false) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (ascii && byte > 0x7f)) {
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
}

std::string text_line(Level level, std::string_view message, std::initializer_list<Field> fields) {
  std::string line = rfc3339(now());
  line.append(" ").append(word(level)).append(" ");
  append_escaped(line, message);
  for (const auto& field : fields) {
    line.append(" ").append(field.name).append("=");
    append_escaped(line, field.value);
  }
  return line;
}

std::string json_line(Level level, std::string_view message, std::initializer_list<Field> fields) {
  std::string line;
  JsonObjectWriter object{line};
  object.add("time", now()).add("level", word(level));
  const auto add = [&object](std::string_view name, std::string_view text) {
    if (is_utf8(text)) {
      object.add(name, text);
    } else {
      std::string escaped;
      append_escaped(escaped, text, true);
      object.add(name, escaped);
    }
  };
  add("message", message);
  for (const auto& field : fields) {
    if (field.is_number) {
      object.add_number(field.name, field.value);
    } else {
      add(field.name, field.value);
    }
  }
  object.end();
  return line;
}

}  // namespace

void configure(const std::string& level, const std::string& format) {
  const auto parsed = spdlog::level::from_str(level);
  if ((parsed == spdlog::level::off && level != "off") || (format != "text" && format != "json")) {
    throw std::invalid_argument(level + ", " + format);
  }
  logger().json = format == "json";
  logger().lines->set_level(parsed);
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                   spdlog::level::warn, spdlog::level::err};
  const auto as = kLevels[static_cast<int>(level)];
  auto& to = logger();
  if (to.lines->should_log(as)) {
    to.lines->log(as, spdlog::string_view_t{to.json ? json_line(level, message, fields)
                                                    : text_line(level, message, fields)});
  }
}

}  // namespace infernode::log
