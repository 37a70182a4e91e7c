#include "core/log.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <stdexcept>

namespace infernode::log {
namespace {

constexpr std::size_t kWaitingLines = 8192;

spdlog::logger& logger() {
  static const auto instance = [] {
    // Lines are written by a thread of their own. Should nobody take them in time, the oldest of
    // those that wait are dropped, rather than holding up whoever has something to say.
    spdlog::init_thread_pool(kWaitingLines, 1);
    auto made = spdlog::create_async_nb<spdlog::sinks::stderr_color_sink_mt>("infernode");
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
    return made;
  }();
  return *instance;
}

}  // namespace

void configure(const std::string& level) {
  const auto parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off") {
    throw std::invalid_argument(level);
  }
  logger().set_level(parsed);
}

void write(Level level, const std::string& message) {
  std::string line;
  line.reserve(message.size());
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                   spdlog::level::warn, spdlog::level::err};
  logger().log(kLevels[static_cast<int>(level)], "{}", line);
}

}  // namespace infernode::log
