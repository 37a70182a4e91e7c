// Goal: a part of stored frames is found without reading what is before it, and gives the same as
// reading all would.
// Method: frames of random length and numbers in memory; every beginning against a plain search,
// counting the bytes read.
#include "results/frame_query.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <random>
#include <regex>
#include <span>

#include "results/timeline.hpp"

namespace infernode {
namespace {

struct Stored {
  std::string text;
  std::vector<int> frames;
  std::shared_ptr<std::int64_t> read_bytes = std::make_shared<std::int64_t>(0);

  FrameStream::Read reader() const {
    return [text = std::make_shared<const std::string>(text), count = read_bytes](
               std::int64_t offset, std::size_t most) -> asio::awaitable<std::vector<std::byte>> {
      const auto begin = std::min(static_cast<std::size_t>(offset), text->size());
      const auto size = std::min({most, text->size() - begin, std::size_t{7000}});
      const auto piece = std::as_bytes(std::span{*text}).subspan(begin, size);
      std::vector<std::byte> bytes{piece.begin(), piece.end()};
      *count += static_cast<std::int64_t>(size);
      co_return bytes;
    };
  }
  std::int64_t size() const { return static_cast<std::int64_t>(text.size()); }
};

std::string frame_json(int frame, int objects, std::mt19937& random) {
  std::string text = R"({"frame":)" + std::to_string(frame) + R"(,"time":)" +
                     std::to_string(frame / 10.0) + R"(,"objects":[)";
  for (int i = 0; i < objects; ++i) {
    text += std::string{i == 0 ? "" : ","} + R"({"label":")" +
            (random() % 3 == 0 ? "car" : "person\\n{") + R"(","confidence":)" +
            std::to_string(0.1 * static_cast<double>(random() % 10)) + R"(,"track_id":)" +
            std::to_string(random() % 5) + "}";
  }
  // Some have more to say.
  return text + (random() % 2 == 0 ? "]}" : R"(],"zones":{"door":["person"]}})");
}

Stored stored(int count, int most_objects, int step, unsigned seed) {
  std::mt19937 random{seed};
  Stored all;
  int frame = static_cast<int>(random() % 4);
  for (int i = 0; i < count; ++i) {
    all.frames.push_back(frame);
    const int objects = static_cast<int>(random() % static_cast<unsigned>(most_objects + 1));
    all.text += frame_line(frame_json(frame, objects, random));
    frame += 1 + static_cast<int>(random() % static_cast<unsigned>(step));
  }
  return all;
}

template <class T>
T run(asio::awaitable<T> work) {
  asio::io_context context;
  auto done = asio::co_spawn(context, std::move(work), asio::use_future);
  context.run();
  return done.get();
}

std::vector<std::string> selected(const Stored& all, FrameQuery query) {
  asio::thread_pool workers{1};
  const auto begin = run(find_frame(all.reader(), all.size(), query.from));
  FrameSelection selection{all.reader(), begin, all.size(), std::move(query), workers};
  std::string text;
  for (;;) {
    const auto piece = run(selection.next());
    if (piece.empty()) {
      break;
    }
    text += piece;
  }
  std::vector<std::string> frames;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    frames.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return frames;
}

TEST(FrameQuery, FindsWhereAFrameBegins) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    // From none to lines longer than what is read at a time.
    const auto all = stored(static_cast<int>(seed * 5), seed % 3 == 0 ? 600 : 4, 3, seed);
    const auto read = all.reader();
    const int last = all.frames.empty() ? 0 : all.frames.back();
    for (int frame = 0; frame <= last + 2; ++frame) {
      const auto found = run(find_frame(read, all.size(), frame));
      const auto wanted = std::lower_bound(all.frames.begin(), all.frames.end(), frame);
      if (wanted == all.frames.end()) {
        EXPECT_EQ(found, all.size());
        continue;
      }
      const auto line = all.text.substr(static_cast<std::size_t>(found), 30);
      EXPECT_TRUE(line.starts_with(",{\"frame\":" + std::to_string(*wanted) + ","))
          << "seed " << seed << " frame " << frame << ": " << line;
    }
  }
}

TEST(FrameQuery, ReadsAFewPiecesOfALongResult) {
  const auto all = stored(20'000, 20, 1, 1);
  ASSERT_GT(all.size(), 5'000'000);
  const auto frames = selected(all, {.from = 15'000, .to = 15'010});
  ASSERT_EQ(frames.size(), 10U);
  EXPECT_EQ(frame_number(frames.front()), 15'000);
  EXPECT_LT(*all.read_bytes, 700'000);
}

TEST(FrameQuery, GivesTheFramesAndObjectsThatAreWanted) {
  const auto all = stored(500, 6, 3, 7);
  const auto whole = selected(all, {});
  ASSERT_EQ(whole.size(), all.frames.size());
  EXPECT_EQ(selected(all, {.from = 100, .to = 90}).size(), 0U);
  EXPECT_EQ(selected(all, {.limit = 7}).size(), 7U);
  const FrameQuery query{
      .from = 50, .to = 400, .limit = 40, .label = "car", .confidence = 0.3, .track_id = 2};
  // The objects as they were written.
  const std::regex object{R"re(\{"label":"([^"]*)","confidence":([0-9.]+),"track_id":(\d)\})re"};
  std::vector<std::string> wanted;
  for (const auto& frame : whole) {
    const int number = frame_number(frame).value();
    std::string kept;
    for (std::sregex_iterator at{frame.begin(), frame.end(), object}, end; at != end; ++at) {
      if ((*at)[1] == "car" && std::stod((*at)[2]) >= 0.3 && (*at)[3] == "2") {
        kept += (kept.empty() ? "" : ",") + at->str();
      }
    }
    if (number >= 50 && number < 400 && !kept.empty() && wanted.size() < 40) {
      wanted.push_back(frame.substr(0, frame.find('[') + 1) + kept + frame.substr(frame.find(']')));
    }
  }
  ASSERT_FALSE(wanted.empty());
  EXPECT_EQ(selected(all, query), wanted);
}

TEST(FrameQuery, RefusesWhatIsNoFrame) {
  Stored broken;
  broken.text = ",{\"time\":1}\n";
  EXPECT_THROW(selected(broken, {}), std::exception);
  broken.text = "," + std::string(40'000, 'x');
  EXPECT_THROW(selected(broken, {}), std::exception);
  EXPECT_EQ(frame_number("{\"frame\":12"), std::nullopt);
  EXPECT_EQ(frame_number("{\"frame\":12,"), 12);
  EXPECT_EQ(frame_number("{\"frame\":99999999999,"), std::nullopt);
}

// As when its job is deleted while it is sent.
TEST(FrameQuery, EndsWithAnErrorWhereFramesAreMissing) {
  const auto all = stored(2000, 6, 3, 7);
  asio::thread_pool workers{1};
  FrameSelection selection{all.reader(), 0, all.size() + 1, {}, workers};
  EXPECT_THROW(
      {
        while (!run(selection.next()).empty()) {
        }
      },
      std::runtime_error);
  EXPECT_THROW(run(read_timeline(all.reader(), all.size() + 1, 2000, 10, workers)),
               std::runtime_error);
}

// So that a client that has gone is noticed, and one that waits goes on waiting.
TEST(FrameQuery, SaysNowAndThenThatItStillLooks) {
  const auto all = stored(60'000, 20, 1, 5);
  ASSERT_GT(all.size(), 20'000'000);
  asio::thread_pool workers{1};
  FrameQuery query;
  query.label = "zebra";
  FrameSelection selection{all.reader(), 0, all.size(), std::move(query), workers};
  int quiet = 0;
  for (std::string piece = run(selection.next()); !piece.empty(); piece = run(selection.next())) {
    EXPECT_EQ(piece, "\n");
    ++quiet;
  }
  EXPECT_EQ(quiet, all.size() / (8 * 1024 * 1024));
}

TEST(Timelines, OfHostileFramesStayShort) {
  Stored all;
  for (int frame = 0; frame < 40; ++frame) {
    all.text += ",{\"frame\":" + std::to_string(frame) + R"(,"time":0,"objects":[)";
    for (int i = 0; i < 20'000; ++i) {
      all.text += std::string{i == 0 ? "" : ","} + R"({"label":"label )" +
                  std::to_string(frame * 20'000 + i) + "\"}";
    }
    all.text += "]}\n";
  }
  asio::thread_pool workers{1};
  const auto timeline = run(read_timeline(all.reader(), all.size(), 40, 500, workers));
  EXPECT_LT(*all.read_bytes, 3 * all.size());
  for (const auto& bucket : timeline.buckets) {
    EXPECT_LE(bucket.objects.size(), 256U);
  }
}

TEST(Timelines, OfAShortResultCountEveryFrame) {
  const auto all = stored(105, 6, 3, 3);
  asio::thread_pool workers{1};
  const auto timeline = run(read_timeline(all.reader(), all.size(), 105, 10, workers));
  EXPECT_TRUE(timeline.exact);
  ASSERT_EQ(timeline.buckets.size(), 10U);
  int frames = 0;
  std::map<std::string, std::int64_t> counted;
  for (const auto& bucket : timeline.buckets) {
    EXPECT_EQ(bucket.frame, all.frames.at(static_cast<std::size_t>(frames)));
    frames += bucket.frames;
    for (const auto& [label, count] : bucket.objects) {
      counted[label] += count;
    }
  }
  EXPECT_EQ(frames, 105);
  std::map<std::string, std::int64_t> wanted;
  for (const auto& frame : selected(all, {})) {
    const auto parsed = boost::json::parse(frame);
    for (const auto& object : parsed.at("objects").as_array()) {
      ++wanted[boost::json::value_to<std::string>(object.at("label"))];
    }
  }
  EXPECT_EQ(counted, wanted);
  const auto none = run(read_timeline(Stored{}.reader(), 0, 0, 10, workers));
  EXPECT_TRUE(none.buckets.empty());
}

TEST(Timelines, OfALongResultLookAtAPart) {
  const auto all = stored(60'000, 20, 1, 5);
  asio::thread_pool workers{1};
  const auto timeline = run(read_timeline(all.reader(), all.size(), 60'000, 50, workers));
  EXPECT_FALSE(timeline.exact);
  EXPECT_EQ(timeline.buckets.size(), 50U);
  EXPECT_LT(*all.read_bytes, 50 * 100'000);
  int before = -1;
  for (const auto& bucket : timeline.buckets) {
    EXPECT_GT(bucket.frame, before);
    EXPECT_DOUBLE_EQ(bucket.time, bucket.frame / 10.0);
    EXPECT_GT(bucket.frames, 5);
    before = bucket.frame + bucket.frames - 1;
  }
  // Objects a frame: 10 on average, a third of them cars.
  double cars = 0;
  for (const auto& bucket : timeline.buckets) {
    cars += static_cast<double>(bucket.objects.at("car")) / bucket.frames / 50;
  }
  EXPECT_NEAR(cars, 10.0 / 3, 0.5);
}

}  // namespace
}  // namespace infernode
