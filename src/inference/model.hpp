#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/words.hpp"

namespace infernode::inference {

// How a model's output is read.
enum class Decoder {
  top_k_boxes,  // rows of x1, y1, x2, y2 (pixels of the input), score, class
};

// One model on disk: NAME.onnx and its manifest NAME.json.
struct Model {
  std::string name;
  std::string pipeline;     // "detect"
  bool is_default = false;  // what the pipeline takes when no model is named
  std::string description;
  std::string source;
  std::string license;
  Decoder decoder = Decoder::top_k_boxes;
  std::string input_name;
  std::string output_name;
  int input_width = 0;   // pixels
  int input_height = 0;  // pixels
  int output_rows = 0;
  std::vector<std::string> labels;  // by class id
  std::string sha256;  // of the ONNX file, lower-case hex; empty where nobody hashed it
  std::filesystem::path file;
};

}  // namespace infernode::inference

namespace infernode {

template <>
struct Words<inference::Decoder> {
  static constexpr std::pair<inference::Decoder, std::string_view> all[]{
      {inference::Decoder::top_k_boxes, "top_k_boxes"}};
};

}  // namespace infernode
