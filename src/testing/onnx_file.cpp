#include "testing/onnx_file.hpp"

#include <cstring>

namespace infernode::test {
namespace {

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) {
    bytes += static_cast<char>(value | 0x80);
  }
  return bytes += static_cast<char>(value);
}

std::string varint_field(unsigned field, std::int64_t value) {
  return varint(field << 3U) + varint(static_cast<std::uint64_t>(value));
}

std::string submessage(unsigned field, const std::string& bytes) {
  return varint(field << 3U | 2U) + varint(bytes.size()) + bytes;
}

template <class T>
std::string raw(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::string entry(const std::string& key, const std::string& value) {
  return submessage(1, key) + submessage(2, value);
}

std::string tensor_bytes(const OnnxTensor& tensor) {
  std::string bytes;
  for (const auto side : tensor.value.shape) {
    bytes += varint_field(1, side);
  }
  bytes += varint_field(2, static_cast<std::int64_t>(tensor.value.type)) +
           submessage(8, tensor.value.name);
  if (tensor.external_file.empty()) {
    return bytes + submessage(9, tensor.bytes);
  }
  return bytes + submessage(13, entry("location", tensor.external_file)) + varint_field(14, 1);
}

std::string value_bytes(const OnnxValue& value) {
  std::string shape;
  for (const auto side : value.shape) {
    shape += submessage(1, varint_field(1, side));
  }
  const std::string tensor =
      varint_field(1, static_cast<std::int64_t>(value.type)) + submessage(2, shape);
  return submessage(1, value.name) + submessage(2, submessage(1, tensor));
}

std::string node_bytes(const OnnxNode& node) {
  std::string bytes;
  for (const auto& input : node.inputs) {
    bytes += submessage(1, input);
  }
  for (const auto& output : node.outputs) {
    bytes += submessage(2, output);
  }
  bytes += submessage(4, node.op) + submessage(7, node.domain);
  for (const auto& [name, value] : node.integers) {
    bytes += submessage(5, submessage(1, name) + varint_field(3, value) + varint_field(20, 2));
  }
  for (const auto& [name, graph] : node.graphs) {
    bytes += submessage(5, submessage(1, name) + submessage(6, graph) + varint_field(20, 5));
  }
  return bytes;
}

}  // namespace

std::string OnnxGraph::to_bytes() const {
  std::string bytes;
  for (const auto& node : nodes) {
    bytes += submessage(1, node_bytes(node));
  }
  bytes += submessage(2, "graph");
  for (const auto& constant : constants) {
    bytes += submessage(5, tensor_bytes(constant));
  }
  for (const auto& input : inputs) {
    bytes += submessage(11, value_bytes(input));
  }
  for (const auto& output : outputs) {
    bytes += submessage(12, value_bytes(output));
  }
  return bytes;
}

std::string floats(const std::vector<float>& values) {
  return raw(values);
}

std::string integers(const std::vector<std::int64_t>& values) {
  return raw(values);
}

std::vector<std::byte> onnx_file(const OnnxGraph& graph, std::int64_t opset,
                                 std::int64_t ir_version) {
  const std::string file = varint_field(1, ir_version) + submessage(7, graph.to_bytes()) +
                           submessage(8, submessage(1, "") + varint_field(2, opset));
  const auto* start = reinterpret_cast<const std::byte*>(file.data());
  return {start, start + file.size()};
}

}  // namespace infernode::test
