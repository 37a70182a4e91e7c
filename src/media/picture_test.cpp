// Goal: a JPEG and a PNG are read, and nothing else. Method: small ones.
#include "media/picture.hpp"

#include <gtest/gtest.h>

#include <array>

#include "media/image.hpp"

namespace infernode::media {
namespace {

// One red pixel.
constexpr std::array<unsigned char, 69> kPng{
    0x89, 'P',  'N',  'G',  0x0d, 0x0a, 0x1a, 0x0a, 0,    0,    0,    0x0d, 'I',  'H',
    'D',  'R',  0,    0,    0,    1,    0,    0,    0,    1,    8,    2,    0,    0,
    0,    0x90, 0x77, 0x53, 0xde, 0,    0,    0,    0x0c, 'I',  'D',  'A',  'T',  0x78,
    0x9c, 0x63, 0xf8, 0xcf, 0xc0, 0,    0,    3,    1,    1,    0,    0xc9, 0xfe, 0x92,
    0xef, 0,    0,    0,    0,    'I',  'E',  'N',  'D',  0xae, 0x42, 0x60, 0x82};

TEST(Picture, IsAJpegOrAPng) {
  const Image grey{48, 32, std::vector<std::uint8_t>(std::size_t{48} * 32 * 3, 90)};
  const auto jpeg = encode_jpeg(grey, 90);
  const auto frame = decode_picture(jpeg);
  EXPECT_EQ(frame.width, 48);
  EXPECT_EQ(frame.height, 32);
  const auto pixel = decode_picture(std::as_bytes(std::span{kPng}));
  EXPECT_EQ(pixel.width, 1);
  FrameConverter converter{1, 1};
  Image image;
  converter.convert(*pixel.picture, 0, image);
  EXPECT_EQ(image.pixels, (std::vector<std::uint8_t>{255, 0, 0}));
}

TEST(Picture, IsRefusedWhereItIsNoneOrDamaged) {
  const Image grey{48, 32, std::vector<std::uint8_t>(std::size_t{48} * 32 * 3, 90)};
  const auto jpeg = encode_jpeg(grey, 90);
  for (const std::size_t size : {0UL, 2UL, 3UL, 4UL, 40UL, 200UL}) {
    EXPECT_THROW(decode_picture(std::span{jpeg}.first(size)), MediaError) << size;
  }
  std::array<unsigned char, 69> huge = kPng;
  huge[16] = 0x7f;  // 2 billion pixels wide
  EXPECT_THROW(decode_picture(std::as_bytes(std::span{huge})), MediaError);
}

}  // namespace
}  // namespace infernode::media
