#pragma once

#include <string_view>
#include <vector>

namespace infernode {

// A file of the source tree that was built into the binary.
struct EmbeddedFile {
  std::string_view path;  // relative to the source tree: "api/openapi.yaml"
  std::string_view content;
};

// All embedded files, sorted by path.
const std::vector<EmbeddedFile>& embedded_files();
// The content of one of them. Throws std::out_of_range.
std::string_view embedded_file(std::string_view path);
// Those directly inside `folder` ("db/migrations"), sorted by name.
std::vector<EmbeddedFile> embedded_folder(std::string_view folder);
// Version and commit of this build: "0.1.0+4f2a91c".
std::string_view build_version();

}  // namespace infernode
