#include "cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace infernode::cli {
namespace {

constexpr int kWidth = 32;

}  // namespace

ProgressBar::ProgressBar(std::string label, std::int64_t total)
    : label_{std::move(label)},
      total_{std::max<std::int64_t>(total, 1)},
      terminal_{isatty(STDERR_FILENO) == 1} {
  set(0);
}

ProgressBar::~ProgressBar() {
  if (terminal_) {
    std::fputs("\n", stderr);
  }
}

void ProgressBar::set(std::int64_t done) {
  if (done == done_) {
    return;
  }
  done_ = done;
  const std::int64_t percent = std::clamp<std::int64_t>(done * 100 / total_, 0, 100);
  if (terminal_) {
    const int filled = static_cast<int>(percent * kWidth / 100);
    fmt::print(stderr, "\r{} [{}{}] {:3}%", label_,
               std::string(static_cast<std::size_t>(filled), '#'),
               std::string(static_cast<std::size_t>(kWidth - filled), '.'), percent);
  } else if (percent / 10 > last_line_) {
    last_line_ = percent / 10;
    fmt::print(stderr, "{} {}%\n", label_, percent);
  }
  std::fflush(stderr);
}

std::string human_bytes(std::uint64_t bytes) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

}  // namespace infernode::cli
