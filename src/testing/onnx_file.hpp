#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Small ONNX files, right or wrong as a test wants them: the Protocol Buffers of onnx.proto3, by
// its field numbers.
namespace infernode::test {

enum class OnnxType : int { float32 = 1, uint8 = 2, int32 = 6, int64 = 7, string = 8, boolean = 9 };

struct OnnxValue {
  std::string name;
  OnnxType type = OnnxType::float32;
  std::vector<std::int64_t> shape;
};

struct OnnxTensor {
  OnnxValue value;
  std::string bytes;          // as raw_data
  std::string external_file;  // instead of them
};

struct OnnxGraph;

struct OnnxNode {
  std::string op;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::string domain;
  std::vector<std::pair<std::string, std::int64_t>> integers;  // attributes
  std::vector<std::pair<std::string, std::string>> graphs;     // attributes; see to_bytes()
};

struct OnnxGraph {
  std::vector<OnnxNode> nodes;
  std::vector<OnnxTensor> constants;
  std::vector<OnnxValue> inputs;
  std::vector<OnnxValue> outputs;

  // As an attribute of a node has it.
  std::string to_bytes() const;
};

std::string floats(const std::vector<float>& values);
std::string integers(const std::vector<std::int64_t>& values);

// A file.
std::vector<std::byte> onnx_file(const OnnxGraph& graph, std::int64_t opset = 13,
                                 std::int64_t ir_version = 7);

}  // namespace infernode::test
