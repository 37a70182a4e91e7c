#include "inference/onnx_session.hpp"

#include <fmt/format.h>
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <regex>
#include <stdexcept>

namespace infernode::inference {

namespace {

// Since 1.29 the library reports to its maker on the machine, the models and their use unless it is
// told before it is first used that it must not (docs/Privacy.md of ONNX Runtime): by a thread with
// files of its own, which the box, closing meanwhile, killed the runner for.
void forbid_reports() {
  setenv("ORT_DISABLE_TELEMETRY", "1", 1);
}

// What fails comes back as an exception; the log would only repeat it.
Ort::Env new_environment() {
  forbid_reports();
  return Ort::Env{ORT_LOGGING_LEVEL_FATAL, "infernode"};
}

}  // namespace

// All of a process are one.
struct PreparedRuntime::Environment {
  Ort::Env environment = new_environment();
};

PreparedRuntime::PreparedRuntime() : environment_{std::make_unique<Environment>()} {}
PreparedRuntime::~PreparedRuntime() = default;

Device parse_device(std::string_view name) {
  const auto device = from_text<Device>(name);
  if (!device) {
    throw std::invalid_argument("no such device: " + std::string{name});
  }
  return *device;
}

namespace {

// What an error says to whoever brought the model: the runtime's also tell a place in its source
// ("/onnxruntime_src/.../graph.cc:46 void onnxruntime::...(...) The opset ...").
std::string words_of(const Ort::Exception& error) {
  static const std::regex place{
      "(?:/onnxruntime_src/)?[A-Za-z0-9_/]+\\.(?:cc|h):[0-9]+ .*[):] (?=[A-Z])"};
  // No sentence is longer, and the names in a model may be.
  return std::regex_replace(std::string{error.what()}.substr(0, 2000), place, "");
}

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

// "float[1,3,640,640]", and -1 where the model takes any size.
std::string described(const Ort::ConstTensorTypeAndShapeInfo& info) {
  std::string type;
  switch (info.GetElementType()) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      type = "float";
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
      type = "float16";
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      type = "uint8";
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      type = "int64";
      break;
    default:
      type = fmt::format("type {}", static_cast<int>(info.GetElementType()));
  }
  return fmt::format("{}[{}]", type, fmt::join(info.GetShape(), ","));
}

// One of a model's inputs or outputs.
struct Port {
  std::string name;
  Ort::TypeInfo type;
};

std::vector<Port> inputs_of(const Ort::Session& session) {
  std::vector<Port> ports;
  const Ort::AllocatorWithDefaultOptions allocator;
  for (std::size_t i = 0; i < session.GetInputCount(); ++i) {
    ports.push_back(
        {session.GetInputNameAllocated(i, allocator).get(), session.GetInputTypeInfo(i)});
  }
  return ports;
}

std::vector<Port> outputs_of(const Ort::Session& session) {
  std::vector<Port> ports;
  const Ort::AllocatorWithDefaultOptions allocator;
  for (std::size_t i = 0; i < session.GetOutputCount(); ++i) {
    ports.push_back(
        {session.GetOutputNameAllocated(i, allocator).get(), session.GetOutputTypeInfo(i)});
  }
  return ports;
}

// The tensor of that name. Throws std::runtime_error, naming those that there are.
Ort::ConstTensorTypeAndShapeInfo find_tensor(const std::vector<Port>& ports,
                                             const std::string& name, std::string_view kind) {
  std::string there;
  for (const auto& port : ports) {
    const bool is_tensor = port.type.GetONNXType() == ONNX_TYPE_TENSOR;
    if (port.name == name) {
      if (!is_tensor) {
        throw std::runtime_error(fmt::format("the model's {} '{}' is no tensor", kind, name));
      }
      return port.type.GetTensorTypeAndShapeInfo();
    }
    there +=
        fmt::format("{}{} {}", there.empty() ? "" : ", ", port.name,
                    is_tensor ? described(port.type.GetTensorTypeAndShapeInfo()) : "(no tensor)");
  }
  throw std::runtime_error(fmt::format("the model has no {} '{}'; it has {}", kind, name,
                                       there.empty() ? "none" : there));
}

bool is_readable(ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE:
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      return true;
    default:
      return false;
  }
}

// Throws std::runtime_error when the model is not what its names say.
void check_ports(const Ort::Session& session, const SessionNames& names,
                 ONNXTensorElementDataType& input_type) {
  const auto inputs = inputs_of(session);
  const auto picture = find_tensor(inputs, names.input, "input");
  input_type = picture.GetElementType();
  if (picture.GetShape().size() != 4 || (input_type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT &&
                                         input_type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 &&
                                         input_type != ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 &&
                                         input_type != ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32)) {
    throw std::runtime_error(fmt::format(
        "the model's input '{}' is {}; a picture has four dimensions of float, float16, "
        "uint8 or int32",
        names.input, described(picture)));
  }
  if (!names.size.empty() && find_tensor(inputs, names.size, "input").GetElementType() !=
                                 ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64) {
    throw std::runtime_error(fmt::format("the model's input '{}' is not int64", names.size));
  }
  const std::size_t fed = names.size.empty() ? 1 : 2;
  for (const auto& port : inputs) {
    if (port.name != names.input && port.name != names.size) {
      throw std::runtime_error(fmt::format(
          "the model also wants an input '{}', which its manifest does not name", port.name));
    }
  }
  if (inputs.size() != fed) {
    throw std::runtime_error("the manifest names one input twice");
  }
  const auto outputs = outputs_of(session);
  for (const auto& name : names.outputs) {
    const auto output = find_tensor(outputs, name, "output");
    if (!is_readable(output.GetElementType())) {
      throw std::runtime_error(
          fmt::format("the model's output '{}' is {}, which is not read", name, described(output)));
    }
  }
}

template <class T>
std::vector<float> converted(const Ort::Value& value, std::size_t count) {
  const T* data = value.GetTensorData<T>();
  return {data, data + count};
}

Tensor tensor_of(const Ort::Value& value) {
  const auto info = value.GetTensorTypeAndShapeInfo();
  const std::size_t count = info.GetElementCount();
  Tensor tensor{info.GetShape(), {}};
  switch (info.GetElementType()) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      tensor.values = converted<float>(value, count);
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE:
      tensor.values = converted<double>(value, count);
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      tensor.values = converted<std::uint8_t>(value, count);
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      tensor.values = converted<std::int32_t>(value, count);
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      tensor.values = converted<std::int64_t>(value, count);
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16: {
      const auto* data = value.GetTensorData<Ort::Float16_t>();
      tensor.values.reserve(count);
      for (std::size_t i = 0; i < count; ++i) {
        tensor.values.push_back(data[i].ToFloat());
      }
      break;
    }
    default:
      throw std::runtime_error("an output of the model is not read: it holds no numbers");
  }
  return tensor;
}

// The input as values of 0 to 255 in `stored`, which must outlive the tensor.
template <class T>
Ort::Value whole_numbers(std::span<const float> input, std::span<const std::int64_t> shape,
                         std::vector<T>& stored) {
  stored.reserve(input.size());
  for (const float value : input) {
    stored.push_back(static_cast<T>(std::clamp(value + 0.5F, 0.0F, 255.0F)));
  }
  return Ort::Value::CreateTensor<T>(
      Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault), stored.data(),
      stored.size(), shape.data(), shape.size());
}

}  // namespace

struct OnnxSession::State {
  Ort::Env environment = new_environment();
  Ort::Session session{nullptr};
  SessionNames names;
  ONNXTensorElementDataType input_type = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  std::string provider = "cpu";
  bool refuses_nan = false;

  explicit State(SessionNames given) : names{std::move(given)} {}

  Ort::SessionOptions choose_device(int threads, Device device) {
    auto cuda = cuda_options(threads, device);
    provider = cuda ? "cuda" : "cpu";
    return cuda ? std::move(*cuda) : session_options(threads);
  }
};

std::vector<std::string> usable_devices() {
  std::vector<std::string> devices{"cpu"};
  forbid_reports();
  const auto providers = Ort::GetAvailableProviders();
  // Only asked where the runtime names it at all: the attempt loads CUDA's libraries.
  if (std::find(providers.begin(), providers.end(), "CUDAExecutionProvider") != providers.end() &&
      cuda_options(1, Device::automatic)) {
    devices.emplace_back("cuda");
  }
  return devices;
}

OnnxSession::OnnxSession(const std::filesystem::path& model, SessionNames names, int threads,
                         Device device)
    : state_{std::make_unique<State>(std::move(names))} {
  try {
    const auto options = state_->choose_device(threads, device);
    state_->session = Ort::Session{state_->environment, model.c_str(), options};
    check_ports(state_->session, state_->names, state_->input_type);
  } catch (const Ort::Exception& error) {
    throw std::runtime_error(
        fmt::format("the model {} cannot be loaded: {}", model.string(), words_of(error)));
  }
}

OnnxSession::OnnxSession(std::span<const std::byte> model, SessionNames names, int threads,
                         Device device)
    : state_{std::make_unique<State>(std::move(names))} {
  try {
    const auto options = state_->choose_device(threads, device);
    state_->session = Ort::Session{state_->environment, model.data(), model.size(), options};
    check_ports(state_->session, state_->names, state_->input_type);
  } catch (const Ort::Exception& error) {
    throw std::runtime_error(fmt::format("the model cannot be loaded: {}", words_of(error)));
  }
}

OnnxSession::~OnnxSession() = default;

std::vector<Tensor> OnnxSession::run(std::span<float> input,
                                     std::span<const std::int64_t> shape) const {
  try {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    std::vector<Ort::Value> given;
    std::vector<const char*> given_names{state_->names.input.c_str()};
    std::vector<std::uint8_t> bytes;
    std::vector<std::int32_t> integers;
    std::vector<Ort::Float16_t> halves;
    switch (state_->input_type) {
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
        given.push_back(whole_numbers(input, shape, bytes));
        break;
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
        given.push_back(whole_numbers(input, shape, integers));
        break;
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
        halves.reserve(input.size());
        for (const float value : input) {
          halves.emplace_back(value);
        }
        given.push_back(Ort::Value::CreateTensor<Ort::Float16_t>(
            memory, halves.data(), halves.size(), shape.data(), shape.size()));
        break;
      default:
        given.push_back(Ort::Value::CreateTensor<float>(memory, input.data(), input.size(),
                                                        shape.data(), shape.size()));
    }
    const bool rows_first = shape[3] == 3 && shape[1] != 3;
    std::array<std::int64_t, 2> size{rows_first ? shape[2] : shape[3],
                                     rows_first ? shape[1] : shape[2]};
    const std::array<std::int64_t, 2> size_shape{1, 2};
    if (!state_->names.size.empty()) {
      given.push_back(Ort::Value::CreateTensor<std::int64_t>(memory, size.data(), size.size(),
                                                             size_shape.data(), size_shape.size()));
      given_names.push_back(state_->names.size.c_str());
    }
    std::vector<const char*> wanted;
    for (const auto& name : state_->names.outputs) {
      wanted.push_back(name.c_str());
    }
    const auto results =
        state_->session.Run(Ort::RunOptions{nullptr}, given_names.data(), given.data(),
                            given.size(), wanted.data(), wanted.size());
    std::vector<Tensor> outputs;
    for (const auto& result : results) {
      outputs.push_back(tensor_of(result));
      const auto& values = outputs.back().values;
      if (state_->refuses_nan && std::any_of(values.begin(), values.end(),
                                             [](float value) { return std::isnan(value); })) {
        throw std::runtime_error(fmt::format("the output '{}' has values that are no numbers (NaN)",
                                             state_->names.outputs[outputs.size() - 1]));
      }
    }
    return outputs;
  } catch (const Ort::Exception& error) {
    const std::string words = words_of(error);
    if (words.find("allocate memory") != std::string::npos) {
      throw std::bad_alloc();  // another attempt, with less beside it, may have it
    }
    throw InferenceFailed("inference failed: " + words);
  }
}

void OnnxSession::refuse_nan() {
  state_->refuses_nan = true;
}

const std::string& OnnxSession::provider() const {
  return state_->provider;
}

std::string runtime_version() {
  return fmt::format("onnxruntime {}", OrtGetApiBase()->GetVersionString());
}

}  // namespace infernode::inference
