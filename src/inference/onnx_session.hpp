#pragma once

#include <cstdint>
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

// Numbers in rows, the last dimension closest together.
struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

// What of a model is fed and read, by name.
struct SessionNames {
  std::string input;  // a picture, of four dimensions
  std::string size;   // its width and height, as two 64-bit integers; empty: the model wants none
  std::vector<std::string> outputs;
};

// Sets the runtime up, which looks for files and more; without it the first session does. For a
// process that gives up its rights before it loads a model.
class PreparedRuntime {
public:
  PreparedRuntime();
  ~PreparedRuntime();
  PreparedRuntime(const PreparedRuntime&) = delete;
  PreparedRuntime& operator=(const PreparedRuntime&) = delete;

private:
  struct Environment;
  std::unique_ptr<Environment> environment_;
};

// One loaded model. run() may be called by several threads at once; each call uses `threads`
// threads. With one thread the same input gives the same bits, whatever else runs.
class OnnxSession {
public:
  // Throws std::runtime_error, in a sentence for whoever brought the model, when it cannot be
  // loaded, has no such input or output or one of another type, or the device is missing.
  OnnxSession(const std::filesystem::path& model, SessionNames names, int threads, Device device);
  // The same of an ONNX file's bytes, which must hold all of the model.
  OnnxSession(std::span<const std::byte> model, SessionNames names, int threads, Device device);
  ~OnnxSession();
  OnnxSession(const OnnxSession&) = delete;
  OnnxSession& operator=(const OnnxSession&) = delete;

  // The outputs in the order of their names, whatever numbers they are. `input` has as many values
  // as `shape` says; {1, height, width, 3} or {1, 3, height, width}. Values are rounded and cut to
  // 0..255 for a model of bytes or integers. Throws std::runtime_error.
  std::vector<Tensor> run(std::span<float> input, std::span<const std::int64_t> shape) const;
  // From now on run() throws when there is no number (NaN) in an output: for a model that is tried.
  // In a job such a value finds nothing.
  void refuse_nan();
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
