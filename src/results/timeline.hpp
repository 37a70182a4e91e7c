#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "results/frame_stream.hpp"

namespace infernode {

// What objects there are over the length of a result.
struct Timeline {
  struct Bucket {
    int frame = 0;                                  // the first that was looked at
    double time = 0;                                // its seconds since the video's first frame
    int frames = 0;                                 // that were looked at
    std::map<std::string, std::int64_t> objects{};  // in them, by label

    void add(const boost::json::object& found);
  };

  bool exact = true;  // every frame was looked at
  std::vector<Bucket> buckets{};
};

// Looks at `frames` frames in `size` bytes, in at most `buckets` buckets of as many frames each;
// or, of long results, of as many bytes, of which some are read. So it takes as long however long
// the result is. Frames are taken apart on a thread of `workers`. Throws std::exception for stored
// frames that are none.
asio::awaitable<Timeline> read_timeline(FrameStream::Read read, std::int64_t size, int frames,
                                        int buckets, asio::thread_pool& workers);

}  // namespace infernode
