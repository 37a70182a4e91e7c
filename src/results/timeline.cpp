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

boost::json::object parse_frame(const std::string& text) {
  return boost::json::parse(text).as_object();
}

asio::awaitable<Timeline> read_whole(FrameStream::Read read, int frames, int buckets,
                                     asio::thread_pool& workers) {
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
    if (!more) {
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
    ++objects[boost::json::value_to<std::string>(object.at("label"))];
  }
}

asio::awaitable<Timeline> read_timeline(FrameStream::Read read, std::int64_t size, int frames,
                                        int buckets, asio::thread_pool& workers) {
  if (size <= kWholeBytes) {
    co_return co_await read_whole(std::move(read), frames, buckets, workers);
  }
  Timeline timeline;
  timeline.exact = false;
  for (int i = 0; i < buckets; ++i) {
    const std::int64_t begin = size * i / buckets;
    const std::int64_t next = size * (i + 1) / buckets;
    const auto line = co_await next_frame_line(read, size, begin);
    if (!line || line->begin >= next) {
      continue;  // a line is longer than a bucket
    }
    const auto end = std::min(next, line->begin + kSampleBytes);
    auto sample = read_sample(read, line->begin, end, workers);
    timeline.buckets.push_back(co_await std::move(sample));
  }
  co_return timeline;
}

}  // namespace infernode
