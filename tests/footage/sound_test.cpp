// Goal: the sound in an annotated video is that of the original, at its time. Method: ffmpeg makes
// films with a sweep, in each container and codec; some seconds of them are written anew with other
// pictures, and the packets of both are compared, byte by byte.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

#include "media/frame_reader.hpp"
#include "media/probe.hpp"
#include "media/sound_reader.hpp"
#include "media/video_writer.hpp"
#include "testing/ffmpeg.hpp"
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace infernode::media {
namespace {

constexpr double kFrom = 1.2;
constexpr double kUntil = 3.2;

struct Heard {
  double time = 0;  // seconds since the first picture
  std::string bytes;
};

double beginning_of(ByteSource& source) {
  const auto keyframes = probe(source).keyframes;
  return FrameReader{source, keyframes.empty() ? std::nullopt : std::optional{keyframes.front()}}
      .beginning();
}

std::vector<Heard> heard(ByteSource& source, double from, double until) {
  SoundReader sound{source, beginning_of(source)};
  std::vector<Heard> packets;
  if (sound.parameters() == nullptr) {
    return packets;
  }
  sound.seek(from);
  while (const auto packet = sound.next(until)) {
    packets.push_back(
        {static_cast<double>(packet->pts) * av_q2d(sound.time_base()),
         {reinterpret_cast<const char*>(packet->data), static_cast<std::size_t>(packet->size)}});
  }
  return packets;
}

// Grey pictures from kFrom on, with the sound of the film.
std::vector<std::byte> write(ByteSource& film) {
  SoundReader sound{film, beginning_of(film)};
  std::vector<std::byte> body;
  VideoWriter writer{10,
                     [&](std::span<const std::byte> bytes) {
                       body.insert(body.end(), bytes.begin(), bytes.end());
                     },
                     sound.parameters(), sound.time_base()};
  VideoPictures pictures;
  Image image{64, 48, {}};
  image.pixels.assign(std::size_t{64} * 48 * 3, 90);
  sound.seek(kFrom);
  for (int i = 0; i < 20; ++i) {
    const double time = kFrom + i / 10.0;
    while (auto packet = sound.next(time)) {
      writer.add_sound(std::move(packet));
    }
    writer.write(*pictures.make(image, time));
  }
  while (auto packet = sound.next(kUntil)) {
    writer.add_sound(std::move(packet));
  }
  auto bytes = writer.finish();
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

class Sound : public testing::Test {
protected:
  Sound() { av_log_set_level(AV_LOG_QUIET); }
  std::string film(const std::string& codecs, const std::string& name) {
    return test::run_ffmpeg(
        "-f lavfi -i testsrc=size=128x96:rate=25:duration=5 -f lavfi -i "
        "aevalsrc=sin(400*PI*t*t):duration=5:sample_rate=48000 "
        "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25 " +
            codecs,
        (folder_.path() / name).string());
  }
  test::TemporaryFolder folder_;
};

TEST_F(Sound, IsKeptAtItsTime) {
  struct Case {
    const char* name;
    const char* codecs;
    bool same_bytes;  // else the container frames packets in its own way
  };
  const std::array cases{Case{"aac.mp4", "-c:a aac", true},
                         Case{"fragments.mp4", "-c:a aac -movflags frag_keyframe", true},
                         Case{"aac.mkv", "-c:a aac -output_ts_offset 7", true},
                         Case{"aac.ts", "-c:a aac", false},
                         Case{"mp3.avi", "-c:a libmp3lame", true},
                         Case{"aac.flv", "-c:a aac -ar 44100", true},
                         Case{"opus.mkv", "-c:a libopus", true},
                         Case{"flac.mkv", "-c:a flac", true},
                         Case{"ac3.mov", "-c:a ac3", true},
                         Case{"alac.mov", "-c:a alac", true}};
  for (const auto& [name, codecs, same_bytes] : cases) {
    test::MemorySource source{test::read_file(film(codecs, name))};
    const auto bytes = write(source);
    test::MemorySource written{bytes};
    const auto expected = heard(source, kFrom, kUntil);
    const auto got = heard(written, 0, 100);
    ASSERT_EQ(got.size(), expected.size()) << name;
    ASSERT_GT(got.size(), 15U) << name;
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i].time, expected[i].time - kFrom, 0.0011) << name << " " << i;
      if (same_bytes) {
        ASSERT_EQ(got[i].bytes, expected[i].bytes) << name << " " << i;
      }
    }
    EXPECT_EQ(probe(written).frame_count, 20) << name;
    EXPECT_EQ(write(source), bytes) << name;
    // Others find nothing wrong with it.
    const auto file = (folder_.path() / "written.mp4").string();
    test::write_file(file, bytes);
    test::run_ffmpeg("-xerror -i " + file + " -f s16le", (folder_.path() / "pcm").string());
  }
}

TEST_F(Sound, IsNoneWhereThereIsNone) {
  test::MemorySource silent{test::read_file(film("-an", "silent.mp4"))};
  EXPECT_EQ((SoundReader{silent, 0}.parameters()), nullptr);
  EXPECT_EQ((SoundReader{silent, 0}.next(10)), nullptr);
  test::MemorySource raw{test::read_file(film("-c:a pcm_s16le", "pcm.mov"))};
  const SoundReader sound{raw, 0};
  ASSERT_NE(sound.parameters(), nullptr);
  EXPECT_FALSE(VideoWriter::takes(sound.parameters()->codec_id));
}

TEST_F(Sound, OfPicturesFarApartIsBounded) {
  test::MemorySource loud{test::read_file(film("-c:a flac -ar 48000 -ac 8", "loud.mkv"))};
  SoundReader sound{loud, 0};
  VideoWriter writer{1, [](std::span<const std::byte>) {}, sound.parameters(), sound.time_base()};
  EXPECT_THROW(
      {
        for (int round = 0; round < 2000; ++round) {
          sound.seek(0);
          while (auto packet = sound.next(100)) {
            writer.add_sound(std::move(packet));
          }
        }
      },
      std::runtime_error);
}

}  // namespace
}  // namespace infernode::media
