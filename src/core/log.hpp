#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace infernode::log {

enum class Level { debug, info, warn, error };

// Sends log lines to standard error from `level` ("debug", "info", "warn", "error", "off") up.
// Throws std::invalid_argument for another word.
void configure(const std::string& level);
void write(Level level, const std::string& message);

// Control characters are escaped in write(), so that no input can forge a second log line.
template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace infernode::log
