#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace infernode::inference {

// One model on disk: NAME.onnx and its manifest NAME.json.
struct Model {
  std::string name;
  std::string pipeline;  // "detect"
  std::string description;
  std::string source;
  std::string license;
  std::string decoder;  // how to read the output: "top_k_boxes"
  std::string input_name;
  std::string output_name;
  int input_width = 0;   // pixels
  int input_height = 0;  // pixels
  int output_rows = 0;
  std::vector<std::string> labels;  // by class id
  std::string sha256;               // of the ONNX file, lower-case hex
  std::filesystem::path file;
};

// The models of a folder, by name. Throws std::runtime_error that names the file at fault.
std::vector<Model> load_catalogue(const std::filesystem::path& folder);

// `configured` if not empty, else share/infernode/models beside the folder of the running binary.
std::filesystem::path model_folder(const std::filesystem::path& configured);

}  // namespace infernode::inference
