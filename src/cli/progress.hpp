#pragma once

#include <cstdint>
#include <string>

namespace infernode::cli {

// A bar on standard error: redrawn in place on a terminal, and a line every ten percent elsewhere.
class ProgressBar {
public:
  ProgressBar(std::string label, std::int64_t total);
  // Ends the line.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void set(std::int64_t done);

private:
  std::string label_;
  std::int64_t total_;
  std::int64_t done_ = -1;
  std::int64_t last_line_ = -1;
  bool terminal_;
};

// "1 234 567" bytes as "1.2 MB".
std::string human_bytes(std::uint64_t bytes);

}  // namespace infernode::cli
