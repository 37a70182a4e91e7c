// Goal: what people pack comes out as it went in, and what only an attack has is refused by name.
// Method: archives written field by field.
#include "media/zip_reader.hpp"

#include <gtest/gtest.h>

#include "media/container.hpp"
#include "testing/file_source.hpp"
#include "testing/zip_builder.hpp"

namespace infernode::media {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::int64_t kMost = std::int64_t{1} << 30U;

// As long as a short video, and as hard to press.
Bytes noise(std::size_t size, std::uint32_t seed = 1) {
  Bytes bytes(size);
  for (auto& byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<std::byte>(seed >> 24U);
  }
  return bytes;
}

std::vector<Bytes> unpacked(const Bytes& zip, std::int64_t most = kMost) {
  test::MemorySource source{zip};
  ZipReader reader{source, most};
  std::vector<Bytes> contents{{}};
  reader.read([&](std::span<const std::byte> bytes) {
    const auto& files = reader.files();
    if (static_cast<std::int64_t>(contents.back().size()) == files[contents.size() - 1].size) {
      contents.emplace_back();
    }
    contents.back().insert(contents.back().end(), bytes.begin(), bytes.end());
  });
  return contents;
}

std::string refusal(const Bytes& zip, std::int64_t most = kMost) {
  try {
    unpacked(zip, most);
  } catch (const MediaError& error) {
    return error.what();
  }
  return "";
}

test::ZipPart part_of(const std::string& name, Bytes content) {
  test::ZipPart part;
  part.name = name;
  part.content = std::move(content);
  return part;
}

TEST(ZipReader, UnpacksWhatPeoplePack) {
  const auto first = noise(700'000);
  const auto second = noise(1000, 7);
  for (const bool deflated : {false, true}) {
    for (const bool descriptor : {false, true}) {
      for (const bool zip64 : {false, true}) {
        auto one = part_of("day 1/küche.mp4", first);
        auto two = part_of("b.mkv", second);
        for (auto* part : {&one, &two}) {
          part->deflated = deflated;
          part->descriptor = descriptor && !zip64;
          part->zip64 = zip64;
        }
        one.attributes = 0100644U << 16U;
        test::ZipEnd end;
        end.zip64 = zip64;
        const auto zip = test::build_zip(
            {part_of("day 1/", {}), one, part_of("__MACOSX/._b.mkv", noise(20)), two}, end);
        test::MemorySource source{zip};
        const ZipReader reader{source, kMost};
        ASSERT_EQ(reader.files().size(), 2);
        EXPECT_EQ(reader.files()[0].name, "day 1/küche.mp4");
        EXPECT_EQ(reader.files()[0].size, 700'000);
        EXPECT_EQ(reader.files()[1].name, "b.mkv");
        EXPECT_EQ(unpacked(zip), (std::vector<Bytes>{first, second}));
      }
    }
  }
}

TEST(ZipReader, ReadsNamesOfOld) {
  test::MemorySource source{
      test::build_zip({part_of("k\x81"
                               "che.mp4",
                               noise(10))})};
  const ZipReader reader{source, kMost};
  EXPECT_EQ(reader.files().at(0).name, "küche.mp4");
}

TEST(ZipReader, RefusesWhatOnlyAnAttackHas) {
  const auto all = test::hostile_zips(noise(5000)).by_reader;
  EXPECT_GE(all.size(), 60);
  for (const auto& hostile : all) {
    const auto said = refusal(hostile.bytes);
    EXPECT_NE(said, "") << hostile.kind << ": " << hostile.what;
    EXPECT_NE(said.find(hostile.reason), std::string::npos)
        << hostile.kind << ": " << hostile.what << ": " << said;
  }
}

TEST(ZipReader, RefusesMoreThanThereIsRoomFor) {
  const auto zip = test::build_zip({part_of("a.mp4", noise(1000)), part_of("b.mp4", noise(1000))});
  EXPECT_EQ(refusal(zip, 2000), "");
  EXPECT_EQ(refusal(zip, 1999), "The ZIP unpacks to more than 1999 bytes.");
}

TEST(ZipReader, TellsWhenItsSourceFails) {
  class Broken : public test::MemorySource {
  public:
    using MemorySource::MemorySource;
    std::size_t read_at(std::int64_t offset, std::span<std::byte> target) override {
      if (offset < 100 && ++reads > 1) {
        throw std::runtime_error("the line is cut");
      }
      return MemorySource::read_at(offset, target);
    }
    int reads = 0;
  };
  Broken source{test::build_zip({part_of("a.mp4", noise(50))})};
  const auto read = [&] {
    ZipReader reader{source, kMost};
    reader.read([](std::span<const std::byte>) {});
  };
  EXPECT_THROW(read(), std::runtime_error);
}

}  // namespace
}  // namespace infernode::media
