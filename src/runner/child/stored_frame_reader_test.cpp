// Goal: stored frames are found by their number without reading all of them.
// Method: a few megabytes of frames of very different length; reads are counted.
#include "runner/child/stored_frame_reader.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "results/frame_stream.hpp"

namespace infernode::runner {
namespace {

class CountingSource : public media::ByteSource {
public:
  explicit CountingSource(std::string bytes) : bytes_{std::move(bytes)} {}
  std::int64_t size() const override { return static_cast<std::int64_t>(bytes_.size()); }
  std::size_t read_at(std::int64_t offset, std::span<std::byte> target) override {
    const auto begin = std::min(static_cast<std::size_t>(offset), bytes_.size());
    const std::size_t count = std::min(target.size(), bytes_.size() - begin);
    std::memcpy(target.data(), bytes_.data() + begin, count);
    read_ += count;
    return count;
  }
  std::size_t take_read() { return std::exchange(read_, 0); }

private:
  std::string bytes_;
  std::size_t read_ = 0;
};

TEST(StoredFrameReader, AreFoundByTheirNumber) {
  std::mt19937 random{3};
  std::string text;
  for (int frame = 100; frame < 30'000; frame += 3) {
    const std::size_t length = random() % 50 == 0 ? 20'000 : random() % 400;
    text += frame_line("{\"frame\":" + std::to_string(frame) + ",\"text\":\"" +
                       std::string(length, '}') + "\"}");
  }
  CountingSource source{text};
  StoredFrameReader frames{source};
  for (const int wanted : {0, 100, 101, 5'000, 14'998, 29'999, 40'000, 7}) {
    source.take_read();
    frames.go_to(wanted);
    std::optional<int> found;
    while (auto frame = frames.next()) {
      const auto number = boost::json::value_to<int>(frame->at("frame"));
      if (number >= wanted) {
        found = number;
        break;
      }
    }
    const int expected = std::max(100, (wanted - 100 + 2) / 3 * 3 + 100);
    EXPECT_EQ(found, expected < 30'000 ? std::optional{expected} : std::nullopt) << wanted;
    EXPECT_LT(source.take_read(), text.size() / 2) << wanted;
  }
}

TEST(StoredFrameReader, OfNothingAreNone) {
  CountingSource source{""};
  StoredFrameReader frames{source};
  frames.go_to(5);
  EXPECT_FALSE(frames.next());
}

}  // namespace
}  // namespace infernode::runner
