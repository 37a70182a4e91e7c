// Goal: whatever the container and codec, frame n is the picture that a player shows as its n-th,
// at its time, however the work is cut into segments.
// Method: ffmpeg makes files whose every picture shows its own number in black and white; each is
// probed, read whole, in the planner's own cut with steps of 1 to 45, from each keyframe, and in
// random cuts.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <random>

#include "core/process.hpp"
#include "jobs/segment_plan.hpp"
#include "media/frame_reader.hpp"
#include "media/image.hpp"
#include "media/probe.hpp"
#include "testing/ffmpeg.hpp"
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace infernode {
namespace {

namespace fs = std::filesystem;
using media::DecodedFrame;
using media::Keyframe;
using media::MediaInfo;
using test::MemorySource;
using Bytes = std::vector<std::byte>;

constexpr int kWidth = 160;
constexpr int kHeight = 96;
constexpr int kFrames = 120;
constexpr int kColumns = 4;
constexpr int kRows = 2;

// Eight fields, a bit each: white or black.
void write_source(const fs::path& file) {
  std::ofstream out{file, std::ios::binary};
  for (int frame = 0; frame < kFrames; ++frame) {
    std::string picture(kWidth * kHeight * 3 / 2, static_cast<char>(128));
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < kWidth; ++x) {
        const int field = y * kRows / kHeight * kColumns + x * kColumns / kWidth;
        picture[static_cast<std::size_t>(y * kWidth + x)] =
            static_cast<char>((frame >> field & 1) != 0 ? 235 : 16);
      }
    }
    out << picture;
  }
}

// The number that a picture shows; -1 for a field that is neither black nor white.
int shown_number(const DecodedFrame& frame) {
  media::FrameConverter converter{frame.width, frame.height};
  media::Image image;
  converter.convert(*frame.picture, frame.rotation, image);
  int number = 0;
  for (int field = 0; field < kColumns * kRows; ++field) {
    const int x = (2 * (field % kColumns) + 1) * image.width / (2 * kColumns);
    const int y = (2 * (field / kColumns) + 1) * image.height / (2 * kRows);
    const int grey = image.pixels[static_cast<std::size_t>((y * image.width + x) * 3)];
    if (grey > 90 && grey < 165) {
      return -1;
    }
    number |= (grey > 127 ? 1 : 0) << field;
  }
  return number;
}

// The frames of a segment as a runner selects them: index -> number shown.
// A video that is open, as runners keep it from one segment to the next.
struct OpenVideo {
  explicit OpenVideo(const Bytes& bytes) : source{bytes} {}
  MemorySource source;
  std::unique_ptr<media::Container> container{};
};

std::map<int, int> read_segment(OpenVideo& open, const SegmentPlan& plan, int step) {
  media::FrameReader reader{open.source, plan.keyframe, std::exchange(open.container, nullptr)};
  reader.want({plan.start_frame, plan.end_frame, step});
  std::map<int, int> shown;
  int wanted = plan.start_frame;
  while (wanted < plan.end_frame) {
    const auto frame = reader.next();
    if (!frame) {
      break;
    }
    while (wanted < frame->index) {
      wanted += step;
    }
    if (wanted == frame->index && wanted < plan.end_frame) {
      shown[wanted] = shown_number(*frame);
      wanted += step;
    }
  }
  open.container = reader.release();
  return shown;
}
std::map<int, int> read_segment(const Bytes& bytes, const SegmentPlan& plan, int step) {
  OpenVideo open{bytes};
  return read_segment(open, plan, step);
}

SegmentPlan segment(const MediaInfo& info, int start, int end) {
  SegmentPlan plan{start, end, end - start, std::nullopt};
  if (const auto* key = keyframe_before(info.keyframes, start)) {
    plan.keyframe = *key;
  }
  return plan;
}

// What is wrong with a video whose frame n should show `numbers[n]`; empty when nothing is.
std::string fault_of(const Bytes& bytes, const std::vector<int>& numbers, double seconds_a_frame) {
  MemorySource source{bytes};
  MediaInfo info;
  try {
    info = media::probe(source);
  } catch (const std::exception& error) {
    return fmt::format("refused: {}", error.what());
  }
  const int count = static_cast<int>(numbers.size());
  if (info.frame_count != count) {
    return fmt::format("{} frames instead of {}", info.frame_count, count);
  }
  int wrong = 0;
  const auto compare = [&](const std::map<int, int>& shown, int start, int end, int step) {
    for (int frame = start; frame < end; frame += step) {
      const auto found = shown.find(frame);
      wrong += found == shown.end() || found->second != numbers[static_cast<std::size_t>(frame)];
    }
  };
  const auto fault = [&](const std::string& how) {
    return fmt::format("{} frames are wrong {}", wrong, how);
  };
  {
    const auto whole = segment(info, 0, count);
    MemorySource again{bytes};
    media::FrameReader reader{again, whole.keyframe};
    int frames = 0;
    while (const auto frame = reader.next()) {
      if (frame->index >= count) {
        return fmt::format("frame {} of {}", frame->index, count);
      }
      const int number = numbers[static_cast<std::size_t>(frame->index)];
      wrong += shown_number(*frame) != number ? 1 : 0;
      if (seconds_a_frame > 0 &&
          std::abs(frame->time - (number - numbers[0]) * seconds_a_frame) > 0.003) {
        return fmt::format("frame {} is at {:.3f} s", frame->index, frame->time);
      }
      ++frames;
    }
    wrong += count - frames;
    if (wrong > 0) {
      return fault("read whole");
    }
  }
  OpenVideo kept{bytes};
  // With the long ones whole groups of pictures are left out.
  for (const int step : {1, 2, 3, 4, 5, 6, 7, 20, 45}) {
    for (const auto& plan : plan_segments(0, count, step, info.keyframes, 100)) {
      compare(read_segment(kept, plan, step), plan.start_frame, plan.end_frame, step);
    }
    if (wrong > 0) {
      return fault(fmt::format("in the planner's cut with step {}", step));
    }
  }
  for (std::size_t i = 0; i < info.keyframes.size(); ++i) {
    const int start = info.keyframes[i].frame;
    const int end = i + 1 < info.keyframes.size() ? info.keyframes[i + 1].frame : count;
    compare(read_segment(bytes, segment(info, start, end), 1), start, end, 1);
  }
  if (wrong > 0) {
    return fault("from the keyframes");
  }
  std::mt19937 random{1};
  for (int round = 0; round < 20; ++round) {
    const int start = std::uniform_int_distribution<int>{0, count - 1}(random);
    const int end =
        std::uniform_int_distribution<int>{start + 1, std::min(count, start + 30)}(random);
    compare(read_segment(bytes, segment(info, start, end), 1), start, end, 1);
    if (wrong > 0) {
      return fault(fmt::format("from {} to {}", start, end));
    }
  }
  return {};
}

std::vector<int> range(int first, int end) {
  std::vector<int> numbers;
  for (int number = first; number < end; ++number) {
    numbers.push_back(number);
  }
  return numbers;
}

class Footage : public testing::Test {
protected:
  Footage() {
    av_log_set_level(AV_LOG_QUIET);
    write_source(path("source.yuv"));
  }

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  std::string make(const std::string& arguments, const std::string& name) {
    return test::run_ffmpeg(arguments, path(name));
  }
  // Encodes the source.
  std::string encode(const std::string& codec, const std::string& name) {
    return make(fmt::format("-f rawvideo -s {}x{} -pix_fmt yuv420p -r 25 -i {} {}", kWidth, kHeight,
                            path("source.yuv"), codec),
                name);
  }
  std::string remux(const std::string& from, const std::string& name, const std::string& how = "") {
    return make(fmt::format("-i {} -c copy {}", from, how), name);
  }

  test::TemporaryFolder folder_;
};

struct Encoding {
  const char* name;
  const char* options;
  const char* first;                // the container that it is encoded into
  std::vector<const char*> others;  // those that it is copied to
};

const std::array kEncodings{
    Encoding{"h264-ip",
             "-c:v libx264 -preset ultrafast -bf 0 -g 25",
             "mp4",
             {"mov", "frag.mp4", "mkv", "ts", "m2ts", "flv", "avi", "3gp"}},
    Encoding{"h264-b2-g25",
             "-c:v libx264 -preset fast -bf 2 -g 25",
             "mp4",
             {"mov", "frag.mp4", "mkv", "ts", "m2ts", "flv", "avi", "3gp"}},
    Encoding{"h264-b2-g100",
             "-c:v libx264 -preset fast -bf 2 -g 100",
             "mp4",
             {"mov", "frag.mp4", "mkv", "ts", "flv", "avi"}},
    Encoding{"h264-open-gop",
             "-c:v libx264 -preset fast -bf 3 -g 30 -x264-params open-gop=1:b-pyramid=2",
             "mp4",
             {"mkv", "ts", "flv"}},
    Encoding{"h264-mbaff",
             "-c:v libx264 -preset fast -bf 2 -g 25 -flags +ilme+ildct",
             "mp4",
             {"mkv", "ts"}},
    Encoding{"h264-refresh",
             "-c:v libx264 -preset fast -x264-params intra-refresh=1:keyint=25",
             "mp4",
             {"mkv", "ts"}},
    Encoding{"h264-10-bit",
             "-c:v libx264 -preset fast -pix_fmt yuv420p10le -bf 2 -g 25",
             "mp4",
             {"mkv", "ts"}},
    Encoding{"h264-444", "-c:v libx264 -preset fast -pix_fmt yuv444p -g 25", "mp4", {"mkv"}},
    Encoding{"hevc",
             "-c:v libx265 -preset fast -x265-params log-level=error:keyint=30:bframes=3",
             "mp4",
             {"mov", "mkv", "ts"}},
    Encoding{
        "hevc-10-bit-422",
        "-c:v libx265 -preset fast -pix_fmt yuv422p10le -x265-params log-level=error:keyint=30",
        "mkv",
        {"mp4", "ts"}},
    Encoding{
        "av1", "-c:v libaom-av1 -cpu-used 8 -row-mt 1 -g 30 -b:v 300k", "mp4", {"mkv", "webm"}},
    Encoding{
        "vp8",
        "-c:v libvpx -deadline good -cpu-used 4 -auto-alt-ref 1 -lag-in-frames 16 -g 30 -b:v 500k",
        "webm",
        {"mkv"}},
    Encoding{"vp9",
             "-c:v libvpx-vp9 -deadline good -cpu-used 5 -g 30 -b:v 500k",
             "webm",
             {"mkv", "mp4"}},
    Encoding{
        "mpeg2", "-c:v mpeg2video -b:v 2M -bf 2 -g 15", "mkv", {"mpg", "vob", "ts", "mp4", "avi"}},
    Encoding{"mpeg4", "-c:v mpeg4 -b:v 1M -bf 0 -g 25", "avi", {"mp4", "mkv", "3gp"}},
    Encoding{"mpeg4-b2", "-c:v mpeg4 -b:v 1M -bf 2 -g 25", "mp4", {"mov", "mkv", "avi"}},
    Encoding{"mjpeg", "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p", "avi", {"mov", "mkv"}},
    Encoding{"prores", "-c:v prores_ks -profile:v 0", "mov", {"mkv"}},
    Encoding{"theora", "-c:v libtheora -b:v 1M -g 25", "ogg", {"mkv"}},
    Encoding{"flv1", "-c:v flv -b:v 1M -g 25", "flv", {}},
    Encoding{"gif", "-pix_fmt gray", "gif", {}},
};

std::string muxing(const std::string& container) {
  if (container == "frag.mp4") {
    return "-movflags frag_keyframe+empty_moov";
  }
  return container == "m2ts" ? "-f mpegts -mpegts_m2ts_mode 1" : "";
}

TEST_F(Footage, EveryFrameIsItselfInEveryContainer) {
  int combinations = 0;
  for (const auto& encoding : kEncodings) {
    const auto first =
        encode(encoding.options, fmt::format("{}.{}", encoding.name, encoding.first));
    const auto check = [&](const std::string& file, const std::string& container) {
      // GIF counts time in hundredths of a second.
      const double frame_seconds = 0.04;
      const auto fault = fault_of(test::read_file(file), range(0, kFrames), frame_seconds);
      EXPECT_EQ(fault, "") << encoding.name << " in " << container;
      fmt::print("{:16} {:9} {}\n", encoding.name, container, fault.empty() ? "right" : fault);
      ++combinations;
    };
    check(first, encoding.first);
    for (const std::string container : encoding.others) {
      check(remux(first, fmt::format("{}.{}", encoding.name, container), muxing(container)),
            container);
    }
  }
  EXPECT_GE(combinations, 60);
}

MediaInfo probe_of(const std::string& file) {
  MemorySource source{test::read_file(file)};
  return media::probe(source);
}

// What players hide is no frame.
TEST_F(Footage, EditListsHideFrames) {
  const auto whole = encode("-c:v libx264 -preset fast -bf 2 -g 25", "whole.mp4");
  for (const std::string container : {"mp4", "mov"}) {
    const auto cut = make("-ss 1.6 -i " + whole + " -c copy", "cut." + container);
    EXPECT_EQ(fault_of(test::read_file(cut), range(40, kFrames), 0.04), "") << container;
  }
}

TEST_F(Footage, SoundThatOutlastsThePictureCutsNothingOff) {
  const auto video = encode("-c:v libx264 -preset fast -bf 2 -g 25", "silent.mp4");
  for (const std::string container : {"mkv", "mp4", "ts", "avi"}) {
    const auto loud = make("-i " + video + " -f lavfi -i sine=duration=12 -c:v copy -c:a mp2",
                           "loud." + container);
    EXPECT_EQ(fault_of(test::read_file(loud), range(0, kFrames), 0.04), "") << container;
  }
}

TEST_F(Footage, FramesOfUnevenLengthKeepTheirTimes) {
  const auto file = encode(
      "-vf select=not(eq(mod(n\\,5)\\,3)) -fps_mode vfr -c:v libx264 -bf 2 -g 25", "uneven.mp4");
  std::vector<int> numbers;
  for (int number = 0; number < kFrames; ++number) {
    if (number % 5 != 3) {
      numbers.push_back(number);
    }
  }
  EXPECT_EQ(fault_of(test::read_file(file), numbers, 0.04), "");
  EXPECT_EQ(fault_of(test::read_file(remux(file, "uneven.mkv")), numbers, 0.04), "");
}

TEST_F(Footage, LyingPicturesAreSetUpright) {
  const auto lying = encode("-c:v libx264 -g 25", "lying.mp4");
  for (const int rotation : {90, 180, 270}) {
    auto bytes = test::read_file(lying);
    test::turn_mp4(bytes, rotation);
    const auto file = path(fmt::format("turned-{}.mp4", rotation));
    test::write_file(file, bytes);
    const auto info = probe_of(file);
    EXPECT_EQ(info.rotation, rotation);
    EXPECT_EQ(info.width, info.rotation == 180 ? kWidth : kHeight);
    EXPECT_EQ(info.height, info.rotation == 180 ? kHeight : kWidth);
    // Where ffmpeg itself shows the fields, when it turns the picture as its player does.
    make("-i " + file + " -pix_fmt rgb24 -f rawvideo", "upright.rgb");
    const auto expected = test::read_file(path("upright.rgb"));
    MemorySource source{test::read_file(file)};
    media::FrameReader reader{source, info.keyframes.front()};
    media::FrameConverter converter{info.width, info.height};
    media::Image image;
    for (int n = 0; n < 20; ++n) {
      const auto frame = reader.next();
      ASSERT_TRUE(frame);
      converter.convert(*frame->picture, frame->rotation, image);
      double difference = 0;
      for (std::size_t i = 0; i < image.pixels.size(); ++i) {
        difference += std::abs(int{image.pixels[i]} -
                               std::to_integer<int>(expected.at(
                                   static_cast<std::size_t>(n) * image.pixels.size() + i)));
      }
      EXPECT_LT(difference / static_cast<double>(image.pixels.size()), 4) << rotation << " " << n;
    }
  }
}

TEST_F(Footage, PixelsThatAreNotSquareAreMadeSo) {
  const auto info = probe_of(encode("-vf setsar=16/15 -c:v libx264", "wide.mp4"));
  EXPECT_EQ(info.width, 171);
  EXPECT_EQ(info.height, kHeight);
  EXPECT_NEAR(info.pixel_aspect, 16.0 / 15, 1e-9);
}

// A few bytes must not make a runner draw a picture of gigabytes.
TEST_F(Footage, PicturesThatPixelAspectMakesTooLargeAreRefused) {
  const auto file = encode("-vf scale=4000:200,setsar=90 -frames:v 1 -c:v libx264", "vast.mp4");
  try {
    probe_of(file);
    ADD_FAILURE() << "accepted";
  } catch (const media::MediaError& error) {
    EXPECT_EQ(error.fault(), media::MediaFault::unsupported);
    EXPECT_NE(std::string{error.what()}.find("360000x200"), std::string::npos) << error.what();
  }
}

TEST_F(Footage, ALostPacketMovesNoNumber) {
  auto bytes = test::read_file(encode("-c:v libx264 -preset fast -bf 2 -g 25 -b:v 3M", "lost.ts"));
  const std::size_t at = bytes.size() / 2 / 188 * 188;
  bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at),
              bytes.begin() + static_cast<std::ptrdiff_t>(at + 188));
  MemorySource source{bytes};
  const auto info = media::probe(source);
  EXPECT_GE(info.frame_count, kFrames - 1);
  // Those that can be read have the numbers that they had.
  MemorySource again{bytes};
  media::FrameReader reader{again, info.keyframes.at(0)};
  int right = 0;
  while (const auto frame = reader.next()) {
    right += std::lround(frame->time / 0.04) == shown_number(*frame) ? 1 : 0;
  }
  EXPECT_GE(right, kFrames - 5);
}

TEST_F(Footage, ATailThatIsMissingIsRefusedWhereTheFileSaysSo) {
  const auto first = encode("-c:v libx264 -preset fast -bf 2 -g 25", "tail.mp4");
  for (const std::string container : {"mp4", "frag.mp4", "mov", "mkv", "avi", "ts", "flv"}) {
    auto bytes = test::read_file(remux(first, "tail-copy." + container, muxing(container)));
    bytes.resize(bytes.size() * 3 / 4);
    MemorySource source{bytes};
    std::string refused;
    int frames = 0;
    try {
      frames = media::probe(source).frame_count;
    } catch (const media::MediaError& error) {
      refused = error.what();
      EXPECT_EQ(error.fault(), media::MediaFault::damaged) << container;
    }
    if (container == "ts" || container == "flv") {
      EXPECT_EQ(refused, "") << container;
      EXPECT_GT(frames, kFrames / 2) << container;
    } else {
      EXPECT_NE(refused.find(std::to_string(bytes.size())), std::string::npos)
          << container << ": " << refused;
    }
  }
}

TEST_F(Footage, OfSeveralVideoStreamsTheDefaultIsUsed) {
  const auto one = encode("-c:v libx264 -g 25", "one.mp4");
  const auto two =
      make("-i " + one + " -i " + one +
               " -map 0:v -map 1:v -c copy -disposition:v:0 0 -disposition:v:1 default",
           "two.mkv");
  const auto info = probe_of(two);
  ASSERT_EQ(info.warnings.size(), 1U);
  EXPECT_NE(info.warnings[0].find("2 video streams; stream 1"), std::string::npos)
      << info.warnings[0];
}

TEST_F(Footage, AStreamThatChangesItsSizeIsShownInItsFirst) {
  // Without B-frames: H.264 drops what is still to be shown when the size changes (C.4.4).
  encode("-vf scale=320:192 -c:v libx264 -bf 0 -g 25", "large.ts");
  encode("-c:v libx264 -bf 0 -g 25", "small.ts");
  auto bytes = test::read_file(path("small.ts"));
  const auto large = test::read_file(
      make("-i " + path("large.ts") + " -c copy -output_ts_offset 4.8", "later.ts"));
  bytes.insert(bytes.end(), large.begin(), large.end());
  auto numbers = range(0, kFrames);
  const auto more = range(0, kFrames);
  numbers.insert(numbers.end(), more.begin(), more.end());
  EXPECT_EQ(fault_of(bytes, numbers, 0), "");
}

// The primaries come out as they went in, whatever they are tagged with.
TEST_F(Footage, ColoursAreConvertedAsTagged) {
  for (const std::string space : {"bt709", "smpte170m"}) {
    for (const std::string range : {"tv", "pc"}) {
      const auto file = make(
          "-f lavfi -i color=c=0xc03020:s=160x96:r=25:d=0.2 -vf scale=out_color_matrix=" + space +
              ":out_range=" + range + ",format=yuv420p -c:v libx264 -qp 1 -colorspace " + space +
              " -color_range " + range,
          "colour-" + space + range + ".mp4");
      MemorySource source{test::read_file(file)};
      media::FrameReader reader{source, std::nullopt};
      const auto frame = reader.next();
      ASSERT_TRUE(frame);
      media::FrameConverter converter{16, 16};
      media::Image image;
      converter.convert(*frame->picture, 0, image);
      EXPECT_NEAR(image.pixels[0], 0xc0, 4) << space << range;
      EXPECT_NEAR(image.pixels[1], 0x30, 4) << space << range;
      EXPECT_NEAR(image.pixels[2], 0x20, 4) << space << range;
    }
  }
}

TEST_F(Footage, WhatIsNoVideoIsRefusedByName) {
  const auto video = encode("-c:v libx264 -g 25", "video.mp4");
  const auto sound = make("-f lavfi -i sine=duration=1", "sound.mp4");
  const auto image = make("-i " + video + " -frames:v 1", "image.png");
  const auto still = make("-i " + video + " -frames:v 1", "still.gif");
  std::ofstream{path("list.ffconcat")} << "ffconcat version 1.0\nfile '" << video << "'\n";
  std::ofstream{path("list.m3u8")} << "#EXTM3U\n#EXTINF:1,\n" << video << "\n#EXT-X-ENDLIST\n";
  for (const auto& file : {sound, image, still, path("list.ffconcat"), path("list.m3u8")}) {
    try {
      probe_of(file);
      ADD_FAILURE() << file << " was accepted";
    } catch (const media::MediaError& error) {
      EXPECT_EQ(error.fault(), media::MediaFault::not_a_video) << file << ": " << error.what();
    }
  }
}

}  // namespace
}  // namespace infernode
