#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace infernode::log {

enum class Level { debug, info, warn, error };

// Sends log lines to standard error from `level` ("debug", "info", "warn", "error", "off") up, as
// "text" or as "json", one object a line. Throws std::invalid_argument for another word.
void configure(const std::string& level, const std::string& format = "text");

// What a line is about, for whoever searches: {"job", "5eed..."}. A number is no text in JSON.
struct Field {
  std::string_view name;
  std::string_view value;
  bool is_number = false;
};

// Never waits: lines are written by a thread of their own, and should nobody take them in time, the
// oldest of those that wait are dropped. Control characters are escaped, so that no input can forge
// a second line.
void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});

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
