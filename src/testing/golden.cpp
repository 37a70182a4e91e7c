#include "testing/golden.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace infernode::test {

void expect_golden(const media::Image& image, const std::string& name) {
  const std::string file = INFERNODE_SOURCE_DIR "/src/" + name;
  const std::string head = fmt::format("P6\n{} {}\n255\n", image.width, image.height);
  if (std::getenv("INFERNODE_WRITE_GOLDEN") != nullptr) {
    std::ofstream out{file, std::ios::binary};
    out << head;
    out.write(reinterpret_cast<const char*>(image.pixels.data()),
              static_cast<std::streamsize>(image.pixels.size()));
  }
  std::ifstream in{file, std::ios::binary};
  const std::string golden{std::istreambuf_iterator<char>{in}, {}};
  ASSERT_EQ(golden.size(), head.size() + image.pixels.size()) << file;
  ASSERT_EQ(golden.substr(0, head.size()), head);
  // Versions of OpenCV smooth letters a little differently.
  int different = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const auto expected = static_cast<unsigned char>(golden[head.size() + i]);
    different += std::abs(static_cast<int>(image.pixels[i]) - expected) > 24 ? 1 : 0;
  }
  EXPECT_LT(different, static_cast<int>(image.pixels.size() / 200)) << name;
}

}  // namespace infernode::test
