// Goal: an annotated video plays anywhere, shows each picture at its time, and is written in one
// go. Method: written pictures read back by our own reader, which the footage tests trust.
#include "media/video_writer.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "media/frame_reader.hpp"
#include "media/probe.hpp"
#include "testing/file_source.hpp"

namespace infernode::media {
namespace {

Image grey(int width, int height, std::uint8_t level) {
  Image image{width, height, {}};
  image.pixels.assign(static_cast<std::size_t>(width) * height * 3, level);
  return image;
}

std::vector<std::byte> write(int width, int height, const std::vector<double>& times) {
  std::vector<std::byte> body;
  VideoWriter writer{10, [&](std::span<const std::byte> bytes) {
                       body.insert(body.end(), bytes.begin(), bytes.end());
                     }};
  VideoPictures pictures;
  int level = 20;
  for (const double time : times) {
    writer.write(*pictures.make(grey(width, height, static_cast<std::uint8_t>(level)), time));
    level = level >= 230 ? 20 : level + 7;
  }
  auto bytes = writer.finish();
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

TEST(VideoWriter, PicturesHaveTheirTimes) {
  std::vector<double> times;
  double time = 0;
  for (int i = 0; i < 90; ++i) {
    times.push_back(time);
    time += i % 3 == 0 ? 0.25 : 0.1;
  }
  test::MemorySource source{write(161, 121, times)};
  const auto info = probe(source);
  EXPECT_EQ(info.codec, "h264");
  EXPECT_EQ(info.width, 160);
  EXPECT_EQ(info.height, 120);
  EXPECT_EQ(info.frame_count, 90);
  EXPECT_GE(info.keyframes.size(), 4U);
  EXPECT_TRUE(info.warnings.empty());
  FrameReader reader{source, info.keyframes.front()};
  int level = 20;
  for (const double expected : times) {
    const auto frame = reader.next();
    ASSERT_TRUE(frame);
    EXPECT_NEAR(frame->time, expected, 1e-4);
    FrameConverter converter{160, 120};
    Image image;
    converter.convert(*frame->picture, 0, image);
    EXPECT_NEAR(image.pixels[30'000], level, 4);
    level = level >= 230 ? 20 : level + 7;
  }
  EXPECT_FALSE(reader.next());
}

TEST(VideoWriter, MakesTheSameBytesAgain) {
  std::vector<double> times;
  for (int i = 0; i < 40; ++i) {
    times.push_back(i / 10.0);
  }
  const auto first = write(64, 48, times);
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(write(64, 48, times), first) << round;
  }
}

TEST(VideoWriter, OnePictureAndTheSmallestAreVideosToo) {
  for (const auto& [width, height] : {std::pair{1, 1}, std::pair{2, 2}, std::pair{3, 200}}) {
    test::MemorySource source{write(width, height, {0})};
    FrameReader reader{source, std::nullopt};
    EXPECT_TRUE(reader.next()) << width << "x" << height;
    EXPECT_FALSE(reader.next());
  }
}

// As damaged files and unusual params have them: late, equal, descending, far apart, at no rate.
TEST(VideoWriter, TakesWhateverTimesThereAre) {
  for (const double fps : {0.0, 25.0, 25.0 / 2147483647, 1e9}) {
    std::vector<std::byte> bytes;
    VideoWriter writer{fps, [&](std::span<const std::byte> some) {
                         bytes.insert(bytes.end(), some.begin(), some.end());
                       }};
    VideoPictures pictures;
    for (const double time : {400.0, 400.0, 399.0, 401.0, 90'000.0, 90'000.1}) {
      writer.write(*pictures.make(grey(64, 48, 100), time));
    }
    const auto head = writer.finish();
    bytes.insert(bytes.begin(), head.begin(), head.end());
    test::MemorySource source{bytes};
    const auto info = probe(source);
    EXPECT_GE(info.frame_count, 3) << fps;  // players leave out what they cannot tell apart
    EXPECT_LT(info.duration, 6 * 3600 + 3600 + 5) << fps;
  }
}

TEST(VideoWriter, ThrowsWhatItsSinkThrows) {
  VideoWriter writer{10, [](std::span<const std::byte>) { throw std::logic_error{"full"}; }};
  VideoPictures pictures;
  EXPECT_THROW(
      {
        for (int i = 0; i < 500; ++i) {
          writer.write(*pictures.make(grey(640, 480, static_cast<std::uint8_t>(i)), i / 10.0));
        }
        writer.finish();
      },
      std::logic_error);
}

}  // namespace
}  // namespace infernode::media
