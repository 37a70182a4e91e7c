#include "results/timeline.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "core/blocking.hpp"
#include "core/json_splitter.hpp"
#include "results/frame_query.hpp"

namespace infernode {
namespace {

constexpr std::int64_t kWholeBytes = 4 * 1024 * 1024;  // up to so many are read whole
constexpr std::int64_t kSampleBytes = 32 * 1024;       // of a bucket of more
// Where lines are longer than any honest one: a bucket is given up behind so many bytes, and tells
// of so many labels.
constexpr std::int64_t kMaxLineBytes = 512 * 1024;
constexpr std::size_t kMaxLabels = 256;
constexpr std::size_t kMaxLabelBytes = 255;

boost::json::object parse_frame(const std::string& text) {
  return boost::json::parse(text).as_object();
}

asio::awaitable<Timeline> read_whole(FrameStream::Read read, std::int64_t size, int frames,
                                     int buckets, asio::thread_pool& workers) {
  struct Pass {
    JsonSplitter splitter{};
    Timeline timeline{};
    int most = 0;  // frames of a bucket

    void add(const std::vector<std::byte>& bytes) {
      splitter.feed({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      while (const auto text = splitter.next()) {
        auto& all = timeline.buckets;
        if (all.empty() || all.back().frames == most) {
          all.emplace_back();
        }
        all.back().add(parse_frame(*text));
      }
    }
  };
  const auto pass = std::make_shared<Pass>();
  pass->most = std::max((frames + buckets - 1) / buckets, 1);
  constexpr std::size_t kReadBytes = 256 * 1024;
  for (std::int64_t offset = 0;;) {
    auto bytes = co_await read(offset, kReadBytes);
    if (bytes.empty()) {
      if (offset < size) {
        throw std::runtime_error("stored frames end before their end");  // deleted meanwhile
      }
      break;
    }
    offset += static_cast<std::int64_t>(bytes.size());
    auto working = [pass, piece = std::move(bytes)] {
      pass->add(piece);
      return true;
    };
    co_await run_blocking(workers, std::move(working));
  }
  co_return std::move(pass->timeline);
}

// The frames of lines that begin in [begin, end).
asio::awaitable<Timeline::Bucket> read_sample(FrameStream::Read read, std::int64_t begin,
                                              std::int64_t end, asio::thread_pool& workers) {
  struct Pass {
    JsonSplitter splitter{};
    Timeline::Bucket bucket{};
    std::int64_t line = 0;  // where the next one begins
    std::int64_t end = 0;

    // Whether there is more to read.
    bool add(const std::vector<std::byte>& bytes) {
      splitter.feed({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      while (line < end) {
        const auto text = splitter.next();
        if (!text) {
          return !bytes.empty();
        }
        bucket.add(parse_frame(*text));
        line += static_cast<std::int64_t>(frame_line(*text).size());
      }
      return false;
    }
  };
  const auto pass = std::make_shared<Pass>();
  pass->line = begin;
  pass->end = end;
  for (std::int64_t offset = begin;;) {
    auto bytes = co_await read(offset, static_cast<std::size_t>(kSampleBytes));
    offset += static_cast<std::int64_t>(bytes.size());
    auto working = [pass, piece = std::move(bytes)] { return pass->add(piece); };
    const bool more = co_await run_blocking(workers, std::move(working));
    if (!more || offset - begin > kMaxLineBytes) {
      break;
    }
  }
  co_return std::move(pass->bucket);
}

}  // namespace

void Timeline::Bucket::add(const boost::json::object& found) {
  if (frames == 0) {
    frame = found.at("frame").to_number<int>();
    time = found.at("time").to_number<double>();
  }
  ++frames;
  const auto* all = found.if_contains("objects");
  if (all == nullptr || !all->is_array()) {
    return;
  }
  for (const auto& object : all->get_array()) {
    auto label = boost::json::value_to<std::string>(object.at("label"));
    if (objects.contains(label) ||
        (objects.size() < kMaxLabels && label.size() <= kMaxLabelBytes)) {
      ++objects[std::move(label)];
    }
  }
}

asio::awaitable<Timeline> read_timeline(FrameStream::Read read, std::int64_t size, int frames,
                                        int buckets, asio::thread_pool& workers) {
  if (size <= kWholeBytes) {
    co_return co_await read_whole(std::move(read), size, frames, buckets, workers);
  }
  Timeline timeline;
  timeline.exact = false;
  for (int i = 0; i < buckets; ++i) {
    const std::int64_t begin = size * i / buckets;
    const std::int64_t next = size * (i + 1) / buckets;
    const auto line = co_await next_frame_line(read, std::min(next, begin + kMaxLineBytes), begin);
    if (!line || line->begin >= next) {
      continue;  // a line is longer than a bucket
    }
    const auto end = std::min(next, line->begin + kSampleBytes);
    auto sample = read_sample(read, line->begin, end, workers);
    auto bucket = co_await std::move(sample);
    if (bucket.frames > 0) {
      timeline.buckets.push_back(std::move(bucket));
    }
  }
  co_return timeline;
}

}  // namespace infernode
