// Goal: what segments stored is read back as it was, in today's form and in the former one, and the
// document adds up.
// Method: worked examples, cut into pieces of every size.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <cstring>

#include "results/frame_stream.hpp"
#include "results/image_index.hpp"
#include "results/result_document.hpp"
#include "results/result_recorder.hpp"

namespace infernode {
namespace {

TEST(ImageIndex, ComesBackAsItWas) {
  std::vector<std::byte> index;
  const IndexedImage image{123456, {}, 5'000'000'123, 77, 0xdeadbeef};
  append_to_index(index, image);
  append_to_index(index, IndexedImage{});
  append_to_index(index, {123457, 65'000, (1ULL << 48) - 1, 78, 9});
  const auto read = read_index(index);
  ASSERT_EQ(read.size(), 3U);
  EXPECT_EQ(read[0].frame, image.frame);
  EXPECT_EQ(read[0].offset, image.offset);
  EXPECT_EQ(read[0].size, image.size);
  EXPECT_EQ(read[0].crc32, image.crc32);
  EXPECT_EQ(read[0].object, std::nullopt);
  EXPECT_EQ(read[2].object, 65'000U);
  EXPECT_EQ(read[2].offset, (1ULL << 48) - 1);
  EXPECT_EQ(zip_entry(image, 10).name, "123456.jpg");
  EXPECT_EQ(zip_entry(read[2], 0).name, "crops/123457-65000.jpg");
  index.pop_back();
  EXPECT_THROW(read_index(index), std::runtime_error);
}

boost::json::object details(double joules, boost::json::object more) {
  boost::json::object object{{"joules", joules},   {"energy_method", "rapl"},
                             {"runtime", "r"},     {"grams", joules / 100},
                             {"grid_source", "g"}, {"grid_g_per_kwh", 360.0},
                             {"provider", "cpu"},  {"processor", "p"},
                             {"build", "b"},       {"models", {{{"name", "m"}, {"sha256", "aa"}}}}};
  for (auto& member : more) {
    object.insert_or_assign(member.key(), member.value());
  }
  return object;
}

ResultTotals two_segments() {
  ResultTotals totals;
  totals.add(3, 1, 0, details(2.5, {{"tally", {{"person", 2}}}}), {}, "");
  totals.add(4, 0, 2,
             details(1.5, {{"tally", {{"person", 1}, {"car", 1}}},
                           {"reasons", {{"not_decodable", 2}}},
                           {"models", {{{"name", "m"}, {"sha256", "bb"}}}}}),
             {}, "");
  return totals;
}

TEST(ResultDocument, AddsUp) {
  const auto totals = two_segments();
  ResultFacts facts;
  facts.params = {{"pipeline", "detect"}, {"model", "m"}};
  facts.warnings = {"odd"};
  const auto head = result_head(facts, totals, {{"objects", 4}});
  EXPECT_EQ(head.at("accounting").at("selected").as_int64(), 10);
  EXPECT_EQ(head.at("warnings").at(0).as_string(), "odd");
  EXPECT_EQ(head.at("accounting").at("processed").as_int64(), 7);
  EXPECT_EQ(head.at("accounting").at("reasons").at("not_decodable").as_int64(), 2);
  EXPECT_EQ(totals.tally.at("person"), 3);
  EXPECT_EQ(head.at("energy").at("method").as_string(), "rapl");
  EXPECT_DOUBLE_EQ(head.at("energy").at("grams_co2e").as_double(), 0.04);
  EXPECT_EQ(head.at("energy").at("grid_g_per_kwh").as_double(), 360);
  // Everything that took part is named.
  EXPECT_EQ(head.at("provenance").at("model_sha256").as_string(), "aa + bb");
  const auto ends = document_ends(boost::json::serialize(head));
  const auto whole = boost::json::parse(ends.before + frame_line("{\"frame\":0}").substr(1) +
                                        frame_line("{\"frame\":1}") + ends.after);
  EXPECT_EQ(whole.at("frames").as_array().size(), 2U);
}

// An assembly that is interrupted goes on with the totals that it stored.
TEST(ResultDocument, TotalsComeBackAsTheyWere) {
  const auto totals = two_segments();
  EXPECT_EQ(ResultTotals::from_json(totals.to_json()).to_json(), totals.to_json());
  EXPECT_EQ(ResultTotals::from_json({}).to_json(), ResultTotals{}.to_json());
}

// Memory for a video of text, which has many objects in each frame.
TEST(ResultRecorder, LeavesOutCropsThatNoDirectoryShouldHold) {
  struct Nowhere : ByteSink {
    asio::awaitable<void> write(std::vector<std::byte>) override { co_return; }
  };
  Nowhere nowhere;
  ResultRecorder recorder{nowhere, nowhere};
  asio::io_context context;
  bool done = false;
  const auto record = [&]() -> asio::awaitable<void> {
    for (int frame = 0; frame < 2100; ++frame) {
      std::vector<media::Crop> crops;
      for (std::uint32_t object = 0; object < media::kMaxCrops; ++object) {
        crops.push_back(media::Crop{object, std::vector<std::byte>(1)});
      }
      co_await recorder.add(frame, "{}", std::vector<std::byte>(1), std::move(crops));
    }
    done = true;
  };
  asio::co_spawn(context, record(), asio::detached);
  context.run();
  ASSERT_TRUE(done);
  EXPECT_EQ(recorder.frames(), 2100);
  const auto images = static_cast<std::int64_t>(read_index(recorder.image_index()).size());
  EXPECT_EQ(images + recorder.crops_left_out(), 2100 * 251);
  EXPECT_LT(images, 500'000 + 2100);
  ResultTotals totals;
  totals.crops_left_out = recorder.crops_left_out();
  ResultFacts facts;
  facts.params = boost::json::object{{"pipeline", "text"}};
  EXPECT_EQ(result_head(facts, totals, {}).at("summary").at("crops_left_out"),
            recorder.crops_left_out());
}

// Segments that a version before this one finished: labels, no grams, no models.
TEST(ResultDocument, TakesWhatFormerSegmentsSay) {
  ResultTotals totals;
  totals.add(2, 0, 0,
             {{"labels", {{"person", 2}}},
              {"joules", 3.6e6},
              {"energy_method", "cpu"},
              {"runtime", "r"},
              {"provider", "cpu"}},
             {100, "grid"}, "cc");
  EXPECT_EQ(totals.tally.at("person"), 2);
  EXPECT_DOUBLE_EQ(totals.grams, 100);
  EXPECT_EQ(*totals.models.begin(), "cc");
  EXPECT_EQ(totals.grids.at("grid"), 100);
}

std::vector<std::string> split(const std::string& stored, std::size_t piece) {
  JsonSplitter splitter;
  std::vector<std::string> frames;
  for (std::size_t at = 0; at < stored.size(); at += piece) {
    splitter.feed(std::string_view{stored}.substr(at, piece));
    while (auto frame = splitter.next()) {
      frames.push_back(*frame);
    }
  }
  EXPECT_TRUE(splitter.complete());
  return frames;
}

TEST(FrameStream, ReadsBothFormsInPiecesOfAnySize) {
  const std::vector<std::string> frames{R"({"frame":0,"objects":[]})",
                                        R"({"frame":1,"objects":[{"label":"a\"}{,\\"}]})",
                                        R"({"frame":2,"text":"]}\n"})"};
  std::string lines;
  std::string former;
  for (const auto& frame : frames) {
    lines += frame_line(frame);
    former += "," + frame;
  }
  for (std::size_t piece = 1; piece <= lines.size(); ++piece) {
    EXPECT_EQ(split(lines, piece), frames) << piece;
    EXPECT_EQ(split(former, piece), frames) << piece;
    EXPECT_EQ(split(former + lines, piece).size(), 6U) << piece;
  }
}

TEST(FrameStream, RefusesWhatIsNoRunOfFrames) {
  JsonSplitter splitter;
  splitter.feed(",{}x");
  EXPECT_EQ(splitter.next(), "{}");
  EXPECT_THROW(splitter.next(), std::runtime_error);
  JsonSplitter closing;
  closing.feed("}");
  EXPECT_THROW(closing.next(), std::runtime_error);
  JsonSplitter open;
  open.feed(",{\"a\":1");
  EXPECT_FALSE(open.next());
  EXPECT_FALSE(open.complete());
}

class MemorySink : public ByteSink {
public:
  asio::awaitable<void> write(std::vector<std::byte> bytes) override {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    co_return;
  }
  std::string text;
};

TEST(ResultRecorder, RecordsLinesEntriesAndWhereTheyAre) {
  MemorySink images;
  MemorySink frames;
  ResultRecorder recorder{images, frames};
  asio::io_context context;
  const auto record = [&]() -> asio::awaitable<void> {
    std::vector<std::byte> jpeg(5, std::byte{7});
    co_await recorder.add(3, "{\"frame\":3}", jpeg);
    std::vector<media::Crop> crops{{0, jpeg}, {4, jpeg}};
    co_await recorder.add(5, "{\"frame\":5}", {}, std::move(crops));
    co_await recorder.add(7, "{\"frame\":7}", jpeg);
  };
  asio::co_spawn(context, record(), [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
  context.run();
  EXPECT_EQ(frames.text, ",{\"frame\":3}\n,{\"frame\":5}\n,{\"frame\":7}\n");
  const auto index = read_index(recorder.image_index());
  ASSERT_EQ(index.size(), 4U);
  EXPECT_EQ(index[2].frame, 5);
  EXPECT_EQ(index[2].object, 4U);
  EXPECT_EQ(index[3].frame, 7);
  EXPECT_EQ(index[3].object, std::nullopt);
  EXPECT_EQ(images.text.substr(index[3].offset, 2), "PK");
  EXPECT_EQ(static_cast<std::int64_t>(images.text.size()), recorder.images_bytes());
  EXPECT_EQ(static_cast<std::int64_t>(frames.text.size()), recorder.frames_bytes());
  EXPECT_EQ(recorder.frames(), 3);
}

}  // namespace
}  // namespace infernode
