#include "testing/golden.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <turbojpeg.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "testing/file_source.hpp"

namespace infernode::test {
namespace {

bool writes_golden() {
  return std::getenv("INFERNODE_WRITE_GOLDEN") != nullptr;
}

void expect_alike(const std::vector<std::uint8_t>& pixels, const std::uint8_t* golden,
                  const std::string& name) {
  // Versions of OpenCV smooth letters a little differently.
  int different = 0;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    different += std::abs(static_cast<int>(pixels[i]) - golden[i]) > 24 ? 1 : 0;
  }
  EXPECT_LT(different, static_cast<int>(pixels.size() / 200)) << name;
}

media::Image decode_jpeg(const std::vector<std::byte>& jpeg) {
  const std::unique_ptr<void, int (*)(tjhandle)> decoder{tjInitDecompress(), tjDestroy};
  const auto* bytes = reinterpret_cast<const unsigned char*>(jpeg.data());
  media::Image image;
  int subsampling = 0;
  int colours = 0;
  if (tjDecompressHeader3(decoder.get(), bytes, jpeg.size(), &image.width, &image.height,
                          &subsampling, &colours) != 0) {
    throw std::runtime_error("no JPEG");
  }
  image.pixels.resize(static_cast<std::size_t>(image.width) * image.height * 3);
  if (tjDecompress2(decoder.get(), bytes, jpeg.size(), image.pixels.data(), image.width, 0,
                    image.height, TJPF_RGB, 0) != 0) {
    throw std::runtime_error("a damaged JPEG");
  }
  return image;
}

}  // namespace

void expect_golden(const media::Image& image, const std::string& name) {
  const std::string file = INFERNODE_SOURCE_DIR "/src/" + name;
  const std::string head = fmt::format("P6\n{} {}\n255\n", image.width, image.height);
  if (writes_golden()) {
    std::ofstream out{file, std::ios::binary};
    out << head;
    out.write(reinterpret_cast<const char*>(image.pixels.data()),
              static_cast<std::streamsize>(image.pixels.size()));
  }
  std::ifstream in{file, std::ios::binary};
  const std::string golden{std::istreambuf_iterator<char>{in}, {}};
  ASSERT_EQ(golden.size(), head.size() + image.pixels.size()) << file;
  ASSERT_EQ(golden.substr(0, head.size()), head);
  expect_alike(image.pixels, reinterpret_cast<const std::uint8_t*>(golden.data()) + head.size(),
               name);
}

void expect_golden_jpeg(const std::vector<std::byte>& jpeg, const std::string& name) {
  const std::string file = std::string{INFERNODE_SOURCE_DIR "/"} + name;
  if (writes_golden()) {
    std::ofstream{file, std::ios::binary}.write(reinterpret_cast<const char*>(jpeg.data()),
                                                static_cast<std::streamsize>(jpeg.size()));
  }
  const auto golden = decode_jpeg(read_file(file));
  const auto image = decode_jpeg(jpeg);
  ASSERT_EQ(image.width, golden.width) << name;
  ASSERT_EQ(image.height, golden.height) << name;
  expect_alike(image.pixels, golden.pixels.data(), name);
}

}  // namespace infernode::test
