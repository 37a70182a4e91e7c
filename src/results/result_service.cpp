#include "results/result_service.hpp"

#include <algorithm>
#include <stdexcept>

#include "results/image_index.hpp"

namespace infernode {

asio::awaitable<void> ResultService::add(db::Connection& transaction, NewResult result) {
  co_await results_.add(transaction, std::move(result));
}

asio::awaitable<Result<StoredResult>> ResultService::find(UserId user, JobId job) {
  const auto found = co_await jobs_.find(user, job);
  if (!found) {
    co_return found.error();
  }
  auto result = co_await results_.find(user, job);
  if (!result) {
    co_return Error{ErrorCode::conflict,
                    "The job has no result: its status is " + found->status + "."};
  }
  co_return std::move(*result);
}

asio::awaitable<Result<std::vector<std::byte>>> ResultService::image(UserId user, JobId job,
                                                                     int frame) {
  const auto result = co_await find(user, job);
  if (!result) {
    co_return result.error();
  }
  const Error absent{ErrorCode::not_found, "There is no image of this frame."};
  const auto part = co_await jobs_.find_image_index(job, frame);
  if (!part || !result->images) {
    co_return absent;
  }
  const auto images = read_index(part->zip_index);
  const auto found = std::find_if(images.begin(), images.end(),
                                  [&](const auto& image) { return image.frame == frame; });
  if (found == images.end()) {
    co_return absent;
  }
  const auto entry = zip_entry(*found, static_cast<std::uint64_t>(part->base));
  const auto begin = static_cast<std::int64_t>(entry.offset + media::zip_header_size(entry));
  std::vector<std::byte> jpeg;
  while (jpeg.size() < entry.size) {
    const auto bytes = co_await blobs_.read(
        *result->images, begin + static_cast<std::int64_t>(jpeg.size()), entry.size - jpeg.size());
    if (bytes.empty()) {
      throw std::runtime_error("a stored image is shorter than its index says");
    }
    jpeg.insert(jpeg.end(), bytes.begin(), bytes.end());
  }
  co_return jpeg;
}

}  // namespace infernode
