#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace infernode::runner {

// What a runner is started with.
struct RunnerOptions {
  // Models to read before it gives up its rights, their ONNX files, each with its manifest beside
  // it; none for probing.
  std::vector<std::string> model_files;
  std::string device = "auto";   // "auto", "cpu" or "cuda"
  int threads = 0;               // 0: one per core
  std::int64_t model_bytes = 0;  // of all their files
  bool tries_models = false;     // whether one that nobody trusts may come with a task

  // One more, of so many bytes.
  void add_model(std::string file, std::int64_t bytes);

  // As the one argument of `infernode runner`, and back. from_argument() throws std::exception.
  std::string to_argument() const;
  static RunnerOptions from_argument(std::string_view text);

  friend bool operator==(const RunnerOptions&, const RunnerOptions&) = default;
};

}  // namespace infernode::runner
