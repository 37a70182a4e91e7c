#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/words.hpp"

namespace infernode::inference {

// "auto" takes CUDA where ONNX Runtime and the machine have it.
enum class Device { automatic, cpu, cuda };

// The device of that name ("auto", "cpu", "cuda"). Throws std::invalid_argument.
Device parse_device(std::string_view name);

// The devices that models can be run on here: "cpu", and "cuda" where it can be set up.
std::vector<std::string> usable_devices();

// One loaded model. run() may be called by several threads at once; each call uses `threads`
// threads. With one thread the same input gives the same bits, whatever else runs.
class OnnxSession {
public:
  // Throws std::runtime_error when the model cannot be loaded or the device is missing.
  OnnxSession(const std::filesystem::path& model, std::string input_name, std::string output_name,
              std::vector<std::int64_t> input_shape, int threads, Device device);
  ~OnnxSession();
  OnnxSession(const OnnxSession&) = delete;
  OnnxSession& operator=(const OnnxSession&) = delete;

  // `input` has as many floats as the input shape says. Returns the output, flattened. Throws
  // std::runtime_error.
  std::vector<float> run(std::span<float> input) const;
  // What computes: "cpu" or "cuda".
  const std::string& provider() const;

private:
  struct State;
  std::unique_ptr<State> state_;
};

// "onnxruntime 1.30.0"
std::string runtime_version();

}  // namespace infernode::inference

namespace infernode {

template <>
struct Words<inference::Device> {
  static constexpr std::pair<inference::Device, std::string_view> all[]{
      {inference::Device::automatic, "auto"},
      {inference::Device::cpu, "cpu"},
      {inference::Device::cuda, "cuda"}};
};

}  // namespace infernode
