#pragma once

#include <string>

namespace infernode::test {

// Has ffmpeg write `file`; `arguments` are apart by blanks. Returns the file. Throws
// std::runtime_error.
std::string run_ffmpeg(const std::string& arguments, const std::string& file);

}  // namespace infernode::test
