#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "media/crop.hpp"
#include "results/image_index.hpp"

namespace infernode {

namespace asio = boost::asio;

// Where bytes of a result go: a blob of the worker, a file of `infernode run`.
class ByteSink {
public:
  virtual ~ByteSink() = default;
  // Throws when they cannot be stored.
  virtual asio::awaitable<void> write(std::vector<std::byte> bytes) = 0;
};

// Records what a segment brings, as it is stored: images as entries of a ZIP with an index beside
// them, frames as lines. The sinks must outlive it.
class ResultRecorder {
public:
  ResultRecorder(ByteSink& images, ByteSink& frames) : images_{images}, frames_{frames} {}

  // A frame's JSON object, its annotated image (an empty one is none) and those of its objects,
  // which are left out once kMaxIndexed are there.
  asio::awaitable<void> add(int frame, std::string json, std::vector<std::byte> jpeg,
                            std::vector<media::Crop> crops = {});

  // See image_index.hpp.
  const std::vector<std::byte>& image_index() const { return index_; }
  std::int64_t images_bytes() const { return images_bytes_; }
  std::int64_t frames_bytes() const { return frames_bytes_; }
  int frames() const { return count_; }
  std::int64_t crops_left_out() const { return crops_left_out_; }

  // The index is in memory, here and where the archive's directory is made of it.
  static constexpr std::size_t kMaxIndexed = 500'000;

private:
  asio::awaitable<void> add_image(IndexedImage image, std::vector<std::byte> jpeg);

  ByteSink& images_;
  ByteSink& frames_;
  std::vector<std::byte> index_;
  std::int64_t images_bytes_ = 0;
  std::int64_t frames_bytes_ = 0;
  int count_ = 0;
  std::int64_t crops_left_out_ = 0;
};

}  // namespace infernode
