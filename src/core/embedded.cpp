#include "core/embedded.hpp"

#include <stdexcept>
#include <string>

namespace infernode {

std::string_view embedded_file(std::string_view path) {
  for (const auto& file : embedded_files()) {
    if (file.path == path) {
      return file.content;
    }
  }
  throw std::out_of_range("no embedded file " + std::string{path});
}

std::vector<EmbeddedFile> embedded_folder(std::string_view folder) {
  const std::string prefix = std::string{folder} + "/";
  std::vector<EmbeddedFile> files;
  for (const auto& file : embedded_files()) {
    if (file.path.starts_with(prefix) &&
        file.path.find('/', prefix.size()) == std::string_view::npos) {
      files.push_back(file);
    }
  }
  return files;
}

}  // namespace infernode
