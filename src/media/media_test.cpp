// Goal: every frame has one index, wherever decoding starts; damaged files are told from whole
// ones. Method: the example clip, read whole, from each keyframe, and cut off.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "core/digest.hpp"
#include "core/process.hpp"
#include "media/frame_reader.hpp"
#include "media/image.hpp"
#include "media/probe.hpp"
#include "media/zip_writer.hpp"
#include "testing/file_source.hpp"

namespace infernode::media {
namespace {

using test::MemorySource;
using test::read_file;

const std::string kClip = INFERNODE_SOURCE_DIR "/examples/street.mp4";

std::string picture_hash(const AVFrame& frame) {
  FrameConverter converter{frame.width, frame.height};
  Image image;
  converter.convert(frame, 0, image);
  Sha256 sha;
  sha.update(std::as_bytes(std::span{image.pixels}));
  const auto digest = sha.finish();
  return hex(digest);
}

std::map<int, std::string> read_from(std::optional<Keyframe> start) {
  MemorySource source{read_file(kClip)};
  FrameReader reader{source, start};
  std::map<int, std::string> hashes;
  while (auto frame = reader.next()) {
    hashes[frame->index] = picture_hash(*frame->picture);
  }
  return hashes;
}

TEST(Probe, DescribesTheExampleClip) {
  MemorySource source{read_file(kClip)};
  const MediaInfo info = probe(source);
  EXPECT_EQ(info.width, 768);
  EXPECT_EQ(info.height, 576);
  EXPECT_EQ(info.frame_count, 120);
  EXPECT_DOUBLE_EQ(info.fps, 10);
  EXPECT_NEAR(info.duration, 12, 0.01);
  EXPECT_EQ(info.codec, "h264");
  ASSERT_GE(info.keyframes.size(), 4U);
  EXPECT_EQ(info.keyframes.front().frame, 0);
  ASSERT_GT(info.thumbnail.size(), 1000U);
  EXPECT_EQ(info.thumbnail[0], std::byte{0xff});
  EXPECT_EQ(info.thumbnail[1], std::byte{0xd8});
}

TEST(FrameReader, GivesTheSameFramesFromEveryKeyframe) {
  MemorySource source{read_file(kClip)};
  const MediaInfo info = probe(source);
  const auto whole = read_from(std::nullopt);
  ASSERT_EQ(whole.size(), 120U);
  for (const auto& keyframe : info.keyframes) {
    const auto rest = read_from(keyframe);
    ASSERT_EQ(rest.size(), static_cast<std::size_t>(120 - keyframe.frame));
    EXPECT_EQ(rest.begin()->first, keyframe.frame);
    for (const auto& [index, hash] : rest) {
      EXPECT_EQ(hash, whole.at(index)) << "frame " << index << " from " << keyframe.frame;
    }
  }
}

MediaFault fault_of(std::vector<std::byte> bytes) {
  MemorySource source{std::move(bytes)};
  try {
    probe(source);
  } catch (const MediaError& error) {
    EXPECT_FALSE(std::string{error.what()}.empty());
    return error.fault();
  }
  ADD_FAILURE() << "accepted";
  return MediaFault::unsupported;
}

TEST(Probe, RefusesAVideoThatIsCutOff) {
  const auto whole = read_file(kClip);
  for (const double part : {0.5, 0.9, 0.99}) {
    auto cut = whole;
    cut.resize(static_cast<std::size_t>(static_cast<double>(whole.size()) * part));
    EXPECT_EQ(fault_of(std::move(cut)), MediaFault::damaged) << part;
  }
  auto headless = whole;
  headless.resize(500);  // ends inside the index
  MemorySource source{std::move(headless)};
  EXPECT_THROW(probe(source), MediaError);
}

TEST(Probe, RefusesWhatIsNoVideo) {
  EXPECT_EQ(fault_of(std::vector<std::byte>(10'000, std::byte{'x'})), MediaFault::not_a_video);
  EXPECT_EQ(fault_of({}), MediaFault::not_a_video);
  EXPECT_EQ(fault_of(read_file(INFERNODE_SOURCE_DIR "/models/street.jpg")),
            MediaFault::not_a_video);
  // A playlist must not make the demuxer open what it names.
  const std::string playlist = "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n";
  std::vector<std::byte> bytes(playlist.size());
  std::memcpy(bytes.data(), playlist.data(), playlist.size());
  EXPECT_EQ(fault_of(std::move(bytes)), MediaFault::not_a_video);
}

// The size as a JPEG's frame header says it (ITU-T T.81, B.2.2).
std::pair<int, int> jpeg_size(const std::vector<std::byte>& jpeg) {
  const auto at = [&](std::size_t i) { return std::to_integer<int>(jpeg.at(i)); };
  for (std::size_t i = 2; at(i) == 0xff;
       i += 2 + static_cast<std::size_t>(at(i + 2) * 256 + at(i + 3))) {
    if (at(i + 1) == 0xc0 || at(i + 1) == 0xc2) {
      return {at(i + 7) * 256 + at(i + 8), at(i + 5) * 256 + at(i + 6)};
    }
  }
  return {};
}

// FFmpeg's converter writes up to 42 bytes behind a picture whose width is no multiple of 16; no
// sanitizer sees it. It broke the heap of the runner that tried a model on such a picture.
TEST(FrameConverter, LeavesRoomForWhatIsWrittenBehindThePicture) {
  for (const int width : {2, 152, 200}) {
    const FramePtr frame{av_frame_alloc()};
    frame->format = AV_PIX_FMT_YUV420P;
    frame->width = width;
    frame->height = 30;
    ASSERT_EQ(av_frame_get_buffer(frame.get(), 0), 0);
    Image image;
    FrameConverter{width, 30}.convert(*frame, 0, image);
    EXPECT_EQ(image.pixels.size(), static_cast<std::size_t>(width) * 90);
    EXPECT_GE(image.pixels.capacity(), image.pixels.size() + 42);
  }
}

TEST(Jpeg, KeepsSizeAndHonoursQuality) {
  Image image{64, 48, std::vector<std::uint8_t>(64 * 48 * 3)};
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(i * 7919 >> 3);
  }
  const auto small = encode_jpeg(image, 20);
  const auto large = encode_jpeg(image, 95);
  EXPECT_EQ(jpeg_size(small), (std::pair{64, 48}));
  EXPECT_EQ(jpeg_size(large), (std::pair{64, 48}));
  EXPECT_LT(small.size(), large.size());
}

// An entry behind 4 GiB needs ZIP64; the hole before it takes no room on the disk.
TEST(Zip, IsReadByUnzipAlsoBeyondFourGigabytes) {
  const auto file = std::filesystem::temp_directory_path() /
                    ("infernode-zip-" + std::to_string(getpid()) + ".zip");
  const std::string text = "an image";
  const auto content = std::as_bytes(std::span{text});
  std::vector<ZipEntry> entries{{"000000.jpg", 0, 8, crc32_of(content)},
                                {"000001.jpg", 5'000'000'000, 8, crc32_of(content)}};
  {
    std::ofstream out{file, std::ios::binary};
    const auto write = [&](std::span<const std::byte> bytes) {
      out.write(reinterpret_cast<const char*>(bytes.data()),
                static_cast<std::streamsize>(bytes.size()));
    };
    for (const auto& entry : entries) {
      out.seekp(static_cast<std::streamoff>(entry.offset));
      const auto header = zip_local_header(entry);
      EXPECT_EQ(header.size(), zip_header_size(entry));
      write(header);
      write(content);
    }
    const auto begin = static_cast<std::uint64_t>(out.tellp());
    for (const auto& entry : entries) {
      write(zip_directory_record(entry));
    }
    write(zip_end(entries.size(), begin, static_cast<std::uint64_t>(out.tellp()) - begin));
  }
  const ProcessResult result = run_process({"unzip", "-t", file.string()});
  std::filesystem::remove(file);
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_NE(result.output.find("000001.jpg"), std::string::npos) << result.output;
}

}  // namespace
}  // namespace infernode::media
