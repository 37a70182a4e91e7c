#include "inference/onnx_session.hpp"

#include <fmt/format.h>
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <optional>
#include <stdexcept>

namespace infernode::inference {

Device parse_device(std::string_view name) {
  const auto device = from_text<Device>(name);
  if (!device) {
    throw std::invalid_argument("no such device: " + std::string{name});
  }
  return *device;
}

struct OnnxSession::State {
  // What fails comes back as an exception; the log would only repeat it.
  Ort::Env environment{ORT_LOGGING_LEVEL_FATAL, "infernode"};
  Ort::Session session{nullptr};
  std::string input_name;
  std::string output_name;
  std::vector<std::int64_t> input_shape;
  std::string provider = "cpu";
};

namespace {

Ort::SessionOptions session_options(int threads) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(threads);
  options.SetInterOpNumThreads(1);
  options.SetGraphOptimizationLevel(GraphOptimizationLevel::ORT_ENABLE_ALL);
  return options;
}

// Options with CUDA; nullopt when it is not wanted or, with `automatic`, when this machine cannot
// have it. The runtime lists CUDA also where its provider's library or the GPU is missing, so only
// the attempt tells.
std::optional<Ort::SessionOptions> cuda_options(int threads, Device device) {
  if (device == Device::cpu) {
    return std::nullopt;
  }
  try {
    auto options = session_options(threads);
    options.AppendExecutionProvider_CUDA(OrtCUDAProviderOptions{});
    return options;
  } catch (const Ort::Exception&) {
    if (device == Device::cuda) {
      throw std::runtime_error("this worker's ONNX Runtime has no CUDA; use device auto or cpu");
    }
    return std::nullopt;
  }
}

}  // namespace

std::vector<std::string> usable_devices() {
  std::vector<std::string> devices{"cpu"};
  const auto providers = Ort::GetAvailableProviders();
  // Only asked where the runtime names it at all: the attempt loads CUDA's libraries.
  if (std::find(providers.begin(), providers.end(), "CUDAExecutionProvider") != providers.end() &&
      cuda_options(1, Device::automatic)) {
    devices.emplace_back("cuda");
  }
  return devices;
}

OnnxSession::OnnxSession(const std::filesystem::path& model, std::string input_name,
                         std::string output_name, std::vector<std::int64_t> input_shape,
                         int threads, Device device)
    : state_{std::make_unique<State>()} {
  state_->input_name = std::move(input_name);
  state_->output_name = std::move(output_name);
  state_->input_shape = std::move(input_shape);
  try {
    auto options = cuda_options(threads, device);
    state_->provider = options ? "cuda" : "cpu";
    if (!options) {
      options = session_options(threads);
    }
    state_->session = Ort::Session{state_->environment, model.c_str(), *options};
  } catch (const Ort::Exception& error) {
    throw std::runtime_error(
        fmt::format("the model {} cannot be loaded: {}", model.string(), error.what()));
  }
}

OnnxSession::~OnnxSession() = default;

std::vector<float> OnnxSession::run(std::span<float> input) const {
  try {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const Ort::Value tensor = Ort::Value::CreateTensor<float>(
        memory, input.data(), input.size(), state_->input_shape.data(), state_->input_shape.size());
    const char* inputs[] = {state_->input_name.c_str()};
    const char* outputs[] = {state_->output_name.c_str()};
    const auto results =
        state_->session.Run(Ort::RunOptions{nullptr}, inputs, &tensor, 1, outputs, 1);
    const float* data = results.front().GetTensorData<float>();
    const auto count = results.front().GetTensorTypeAndShapeInfo().GetElementCount();
    return {data, data + count};
  } catch (const Ort::Exception& error) {
    throw std::runtime_error(fmt::format("inference failed: {}", error.what()));
  }
}

const std::string& OnnxSession::provider() const {
  return state_->provider;
}

std::string runtime_version() {
  return fmt::format("onnxruntime {}", OrtGetApiBase()->GetVersionString());
}

}  // namespace infernode::inference
