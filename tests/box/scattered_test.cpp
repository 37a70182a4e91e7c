// Goal: a video whose chunks lie so that reading them in order jumps to and fro costs its owner,
// not the others. Method: an MP4 made by hand (ISO/IEC 14496-12), with half a million chunks that
// alternate between a few places far apart; others upload meanwhile.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "core/clock.hpp"
#include "media/image.hpp"
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace infernode::test {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;

constexpr std::uint32_t kChunks = 500'000;
constexpr std::uint32_t kSide = 16;  // pixels

void put(Bytes& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::byte>(value >> shift & 0xff));
  }
}
void put(Bytes& out, std::initializer_list<std::uint32_t> words) {
  for (const auto word : words) {
    put(out, word, 4);
  }
}
void put(Bytes& out, const Bytes& more) {
  out.insert(out.end(), more.begin(), more.end());
}

Bytes box(const std::string& type, const Bytes& content) {
  Bytes out;
  put(out, content.size() + 8, 4);
  for (const char letter : type) {
    out.push_back(static_cast<std::byte>(letter));
  }
  put(out, content);
  return out;
}

template <class... Boxes>
Bytes box_of(const std::string& type, const Boxes&... boxes) {
  Bytes content;
  (put(content, boxes), ...);
  return box(type, content);
}

Bytes words(std::initializer_list<std::uint32_t> values) {
  Bytes out;
  put(out, values);
  return out;
}

Bytes tracks_header() {
  Bytes out = words({7, 0, 0, 1, 0, kChunks, 0, 0, 0, 0});
  put(out, {0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000, kSide << 16, kSide << 16});
  return box("tkhd", out);
}

Bytes sample_description() {
  Bytes entry = words({0, 1, 0, 0, 0, 0});
  put(entry, kSide << 16 | kSide, 4);
  put(entry, {0x480000, 0x480000, 0});
  put(entry, 1, 2);
  entry.resize(entry.size() + 32);
  put(entry, 0x18ffff, 4);
  Bytes out = words({0, 1});
  put(out, box("jpeg", entry));
  return box("stsd", out);
}

// `offsets`: of the pictures, which the chunks take in turn.
Bytes movie(const std::vector<std::uint32_t>& offsets, std::uint32_t picture_bytes) {
  Bytes chunk_offsets = words({0, kChunks});
  for (std::uint32_t i = 0; i < kChunks; ++i) {
    put(chunk_offsets, offsets[i % offsets.size()], 4);
  }
  const auto table =
      box_of("stbl", sample_description(), box("stts", words({0, 1, kChunks, 1})),
             box("stsc", words({0, 1, 1, 1, 1})), box("stsz", words({0, picture_bytes, kChunks})),
             box("stco", chunk_offsets));
  const auto data = box_of("dinf", box_of("dref", words({0, 1}), box("url ", words({1}))));
  Bytes handler = words({0, 0, 0x76696465, 0, 0, 0});  // "vide"
  handler.push_back(std::byte{0});
  const auto media =
      box_of("mdia", box("mdhd", words({0, 0, 0, 25, kChunks, 0})), box("hdlr", handler),
             box_of("minf", box("vmhd", words({1, 0, 0})), data, table));
  Bytes header = words({0, 0, 0, 25, kChunks, 0x10000, 0x1000000, 0, 0});
  put(header, {0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000, 0, 0, 0, 0, 0, 0, 2});
  return box_of("moov", box("mvhd", header), box_of("trak", tracks_header(), media));
}

// A video of `total` bytes with copies of one picture at so many places, as far apart as can be.
Bytes scattered(std::size_t places, std::size_t total) {
  media::Image image{kSide, kSide, std::vector<std::uint8_t>(kSide * kSide * 3, 200)};
  const auto picture = media::encode_jpeg(image, 80);
  const auto type = box("ftyp", words({0x69736f6d, 0, 0x69736f6d}));  // "isom"
  const auto begin = type.size() + movie({0}, 0).size() + 8;
  std::vector<std::uint32_t> offsets;
  for (std::size_t i = 0; i < places; ++i) {
    offsets.push_back(static_cast<std::uint32_t>(begin + (total - begin - picture.size()) * i /
                                                             std::max<std::size_t>(1, places - 1)));
  }
  Bytes data(total - begin);
  for (const auto offset : offsets) {
    std::copy(picture.begin(), picture.end(),
              data.begin() + static_cast<std::ptrdiff_t>(offset - begin));
  }
  auto file = type;
  put(file, movie(offsets, static_cast<std::uint32_t>(picture.size())));
  put(file, box("mdat", data));
  return file;
}

TEST(ScatteredVideo, CostsItsOwnerAlone) {
  TestServer server;
  TestUser admin{server, TestUser::admin};
  TestUser owner{server};
  admin.call(201, "POST", "/admin/users/" + owner.id() + "/recharge", {{"tokens", 2'000}});
  const auto dataset = owner.create_dataset("scattered");
  const auto between_ends = server.folder() / "ends.mp4";
  const auto everywhere = server.folder() / "everywhere.mp4";
  write_file(between_ends.string(), scattered(2, 4'000'000));
  write_file(everywhere.string(), scattered(40, 40'000'000));

  TestUser other{server};
  const auto theirs = other.create_dataset("mine");
  const auto upload_clip = [&] {
    const auto started = std::chrono::steady_clock::now();
    EXPECT_EQ(other.upload(theirs, kClip).status, 201);
    return seconds_since(started);
  };
  const auto median = [](std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  };
  upload_clip();
  std::vector<double> before;
  for (int i = 0; i < 5; ++i) {
    before.push_back(upload_clip());
  }
  for (const auto& file : {between_ends, everywhere}) {
    std::atomic<bool> done = false;
    http::ClientResponse answer;
    double took = 0;
    std::thread upload{[&] {
      const auto started = std::chrono::steady_clock::now();
      answer = owner.upload(dataset, file);
      took = seconds_since(started);
      done = true;
    }};
    std::vector<double> meanwhile;
    while (!done) {
      meanwhile.push_back(upload_clip());
    }
    upload.join();
    std::printf("%s: status %d after %.1f s; %zu uploads of another meanwhile, %.2f of before\n",
                file.filename().c_str(), answer.status, took, meanwhile.size(),
                median(meanwhile) / median(before));
    if (file == between_ends) {
      ASSERT_EQ(answer.status, 201) << answer.body;
      EXPECT_EQ(integer(boost::json::parse(answer.body), "frame_count"), kChunks);
    } else {
      EXPECT_EQ(answer.status, 422) << answer.body;
      EXPECT_NE(answer.body.find("far more work"), std::string::npos) << answer.body;
    }
  }
  EXPECT_EQ(server.value("SELECT count(*) FROM \"Videos\" v JOIN \"Datasets\" d ON d.id = "
                         "v.dataset_id WHERE d.user_id = '" +
                         owner.id() + "'"),
            "1");
}

}  // namespace
}  // namespace infernode::test
