#include "testing/ffmpeg.hpp"

#include <sstream>
#include <stdexcept>
#include <vector>

#include "core/process.hpp"

namespace infernode::test {

std::string run_ffmpeg(const std::string& arguments, const std::string& file) {
  std::vector<std::string> command{"ffmpeg", "-nostdin", "-v", "error", "-y"};
  std::istringstream words{arguments};
  for (std::string word; words >> word;) {
    command.push_back(word);
  }
  command.push_back(file);
  const auto result = run_process(command);
  if (result.status != 0) {
    throw std::runtime_error("ffmpeg: " + result.output);
  }
  return file;
}

}  // namespace infernode::test
