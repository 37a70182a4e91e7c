// Goal: the sound in an annotated video is that of the original, at its time. Method: ffmpeg makes
// films with a sweep, in each container and codec; some seconds of them are written anew with other
// pictures, and the packets of both are compared, byte by byte.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>

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
  SoundReader sound{source, beginning_of(source), VideoWriter::takes};
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
  SoundReader sound{film, beginning_of(film), VideoWriter::takes};
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
  EXPECT_EQ((SoundReader{silent, 0, VideoWriter::takes}.parameters()), nullptr);
  EXPECT_EQ((SoundReader{silent, 0, VideoWriter::takes}.next(10)), nullptr);
  test::MemorySource raw{test::read_file(film("-c:a pcm_s16le", "pcm.mov"))};
  const SoundReader sound{raw, 0, VideoWriter::takes};
  ASSERT_NE(sound.parameters(), nullptr);
  EXPECT_FALSE(VideoWriter::takes(*sound.parameters()));
}

// As samples, from a time on.
std::vector<std::int16_t> samples(const std::string& file, const std::string& options,
                                  const std::string& to) {
  test::run_ffmpeg("-xerror -i " + file + " -vn -ac 1 -ar 48000 " + options + " -f s16le", to);
  const auto bytes = test::read_file(to);
  std::vector<std::int16_t> values(bytes.size() / 2);
  std::memcpy(values.data(), bytes.data(), values.size() * 2);
  return values;
}

// Also at the very beginning, where codecs need what came before.
TEST_F(Sound, IsHeardFromTheFirstPictureOn) {
  const std::array<std::pair<const char*, const char*>, 6> cases{{{"b.mp4", "-c:a aac"},
                                                                  {"b.ts", "-c:a ac3"},
                                                                  {"b.mkv", "-c:a libopus"},
                                                                  {"c.mkv", "-c:a flac"},
                                                                  {"b.mov", "-c:a alac"},
                                                                  {"c.mp4", "-c:a libmp3lame"}}};
  for (const auto& [name, codecs] : cases) {
    const auto original = film(codecs, name);
    test::MemorySource source{test::read_file(original)};
    const auto file = (folder_.path() / "written.mp4").string();
    test::write_file(file, write(source));
    const auto pcm = (folder_.path() / "pcm").string();
    const auto expected = samples(original, "-af atrim=start=1:end=3.2", pcm);
    const auto got = samples(file, "", pcm);
    ASSERT_GE(got.size() + 4096 + 9600, expected.size()) << name;
    // ffmpeg counts from the earlier of picture and sound, which may differ by some milliseconds.
    int least = 1 << 16;
    std::ptrdiff_t where = 0;
    for (std::ptrdiff_t lag = -2400; lag <= 2400; ++lag) {
      int most = 0;
      for (std::ptrdiff_t i = 0; i < 9600 && most < least; ++i) {
        most = std::max(most, std::abs(expected[static_cast<std::size_t>(9600 + lag + i)] -
                                       got[static_cast<std::size_t>(i)]));
      }
      if (most < least) {
        least = most;
        where = lag;
      }
    }
    EXPECT_LT(least, 700) << name;  // of 32768; a packet too few or too many is another sound
    std::printf("%s: differs by %d at most, %.1f ms off\n", name, least,
                static_cast<double>(where) / 48);
  }
}

// The payload of a transport packet that begins a piece of the sound (ISO/IEC 13818-1, 2.4.3).
std::optional<std::size_t> sound_piece_at(std::span<const std::byte> film, std::size_t packet) {
  const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(film[packet + i]); };
  const unsigned pid = (at(1) & 0x1fU) << 8 | at(2);
  const std::size_t payload = (at(3) & 0x20U) != 0 ? 5 + at(4) : 4;
  return pid == 0x101 && (at(1) & 0x40U) != 0 ? std::optional{packet + payload} : std::nullopt;
}

TEST_F(Sound, WithDamageIsKeptButForThat) {
  const auto file = film("-c:a aac", "damaged.ts");
  const auto whole = test::read_file(file);
  constexpr std::size_t kPacket = 188;
  std::vector<std::size_t> pieces;
  for (std::size_t at = 0; at + kPacket <= whole.size(); at += kPacket) {
    if (const auto piece = sound_piece_at(whole, at)) {
      pieces.push_back(*piece);
    }
  }
  ASSERT_GT(pieces.size(), 8U);
  const auto middle = pieces[pieces.size() / 2];
  test::MemorySource undamaged{whole};
  const auto expected = heard(undamaged, kFrom, kUntil).size();
  const auto written_sound = [&](std::vector<std::byte> damaged) {
    test::MemorySource source{std::move(damaged)};
    const auto bytes = write(source);
    test::write_file(file + ".mp4", bytes);
    test::run_ffmpeg("-i " + file + ".mp4 -f s16le", (folder_.path() / "pcm").string());
    test::MemorySource written{bytes};
    return heard(written, 0, 100).size();
  };
  // Two packets got lost.
  auto cut = whole;
  const auto from = cut.begin() + static_cast<std::ptrdiff_t>(middle / kPacket * kPacket + kPacket);
  cut.erase(from, from + 2 * kPacket);
  const auto after_cut = written_sound(cut);
  EXPECT_GE(after_cut + 4, expected);
  EXPECT_LE(after_cut, expected);
  // A bit of a time was turned: 2^25 of 90,000 a second, six minutes.
  auto turned = whole;
  turned[middle + 10] ^= std::byte{0x08};
  const auto after_turn = written_sound(turned);
  EXPECT_GT(after_turn + 30, expected);
  EXPECT_LT(after_turn, expected);
}

TEST_F(Sound, OfSeveralIsOneThatCanBeKept) {
  test::MemorySource source{test::read_file(
      film("-map 0:v -map 1:a -map 1:a -c:a:0 pcm_s16le -c:a:1 ac3", "several.mkv"))};
  const SoundReader sound{source, 0, VideoWriter::takes};
  ASSERT_NE(sound.parameters(), nullptr);
  EXPECT_EQ(sound.parameters()->codec_id, AV_CODEC_ID_AC3);
}

TEST_F(Sound, OfPicturesFarApartNeedNotWait) {
  test::MemorySource loud{test::read_file(film("-c:a flac -ac 8", "loud.mkv"))};
  SoundReader sound{loud, 0, VideoWriter::takes};
  VideoWriter writer{1, [](std::span<const std::byte>) {}, sound.parameters(), sound.time_base()};
  VideoPictures pictures;
  Image image{64, 48, {}};
  image.pixels.assign(std::size_t{64} * 48 * 3, 90);
  writer.write(*pictures.make(image, 0));
  std::int64_t added = 0;
  sound.seek(0);
  while (auto packet = sound.next(100)) {
    writer.add_sound(std::move(packet));
    ++added;
    if (writer.waiting_sound() > 10'000) {
      writer.write_sound();
      EXPECT_EQ(writer.waiting_sound(), 0U);
    }
  }
  writer.write(*pictures.make(image, 5));
  writer.finish();
  EXPECT_GT(added, 50);
  EXPECT_EQ(writer.sound_count().written, added);
}

}  // namespace
}  // namespace infernode::media
