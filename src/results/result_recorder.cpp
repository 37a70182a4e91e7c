#include "results/result_recorder.hpp"

#include <cstring>

#include "media/zip_writer.hpp"
#include "results/frame_stream.hpp"

namespace infernode {

asio::awaitable<void> ResultRecorder::add_image(IndexedImage image, std::vector<std::byte> jpeg) {
  image.offset = static_cast<std::uint64_t>(images_bytes_);
  image.size = static_cast<std::uint32_t>(jpeg.size());
  image.crc32 = media::crc32_of(jpeg);
  append_to_index(index_, image);
  auto entry = media::zip_local_header(zip_entry(image, 0));
  entry.insert(entry.end(), jpeg.begin(), jpeg.end());
  images_bytes_ += static_cast<std::int64_t>(entry.size());
  co_await images_.write(std::move(entry));
}

asio::awaitable<void> ResultRecorder::add(int frame, std::string json, std::vector<std::byte> jpeg,
                                          std::vector<media::Crop> crops) {
  IndexedImage image;
  image.frame = frame;
  if (!jpeg.empty()) {
    co_await add_image(image, std::move(jpeg));
  }
  for (auto& crop : crops) {
    if (index_.size() >= kMaxIndexed * kIndexEntryBytes) {
      ++crops_left_out_;
      continue;
    }
    image.object = crop.object;
    co_await add_image(image, std::move(crop.jpeg));
  }
  const std::string line = frame_line(json);
  std::vector<std::byte> bytes(line.size());
  std::memcpy(bytes.data(), line.data(), line.size());
  frames_bytes_ += static_cast<std::int64_t>(bytes.size());
  ++count_;
  co_await frames_.write(std::move(bytes));
}

}  // namespace infernode
