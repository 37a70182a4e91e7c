#include "inference/onnx_session.hpp"

#include <fmt/format.h>
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <stdexcept>

namespace infernode::inference {

Device parse_device(const std::string& name) {
  if (name == "auto") {
    return Device::automatic;
  }
  if (name == "cpu") {
    return Device::cpu;
  }
  if (name == "cuda") {
    return Device::cuda;
  }
  throw std::invalid_argument("no such device: " + name);
}

struct OnnxSession::State {
  Ort::Env environment{ORT_LOGGING_LEVEL_ERROR, "infernode"};
  Ort::Session session{nullptr};
  std::string input_name;
  std::string output_name;
  std::vector<std::int64_t> input_shape;
  std::string provider = "cpu";
};

namespace {

bool use_cuda(Device device) {
  if (device == Device::cpu) {
    return false;
  }
  const auto providers = Ort::GetAvailableProviders();
  const bool present = std::find(providers.begin(), providers.end(), "CUDAExecutionProvider") !=
                       providers.end();
  if (!present && device == Device::cuda) {
    throw std::runtime_error("this worker's ONNX Runtime has no CUDA; use device auto or cpu");
  }
  return present;
}

}  // namespace

OnnxSession::OnnxSession(const std::filesystem::path& model, std::string input_name,
                         std::string output_name, std::vector<std::int64_t> input_shape,
                         int threads, Device device)
    : state_{std::make_unique<State>()} {
  state_->input_name = std::move(input_name);
  state_->output_name = std::move(output_name);
  state_->input_shape = std::move(input_shape);
  try {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(threads);
    options.SetInterOpNumThreads(1);
    options.SetGraphOptimizationLevel(GraphOptimizationLevel::ORT_ENABLE_ALL);
    if (use_cuda(device)) {
      options.AppendExecutionProvider_CUDA(OrtCUDAProviderOptions{});
      state_->provider = "cuda";
    }
    state_->session = Ort::Session{state_->environment, model.c_str(), options};
  } catch (const Ort::Exception& error) {
    throw std::runtime_error(
        fmt::format("the model {} cannot be loaded: {}", model.string(), error.what()));
  }
}

OnnxSession::~OnnxSession() = default;

std::vector<float> OnnxSession::run(std::span<float> input) const {
  try {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const Ort::Value tensor =
        Ort::Value::CreateTensor<float>(memory, input.data(), input.size(),
                                        state_->input_shape.data(), state_->input_shape.size());
    const char* inputs[] = {state_->input_name.c_str()};
    const char* outputs[] = {state_->output_name.c_str()};
    const auto results = state_->session.Run(Ort::RunOptions{nullptr}, inputs, &tensor, 1, outputs, 1);
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
