#include "videos/uploads/resumable_upload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

namespace infernode {
namespace {

// How much may have to be sent again when the process dies.
constexpr std::int64_t kAdvanceBytes = 8 * 1024 * 1024;

Error taken_by_another() {
  return {ErrorCode::conflict, "Another connection goes on with this upload, or it is gone."};
}

// What comes, in chunks.
class Piece {
public:
  Piece(UploadService& uploads, ReceivingUpload& receiving, bool all_or_nothing)
      : uploads_{uploads},
        receiving_{receiving},
        all_or_nothing_{all_or_nothing},
        stored_{receiving.offset},
        sha_{Sha256::restore(receiving.sha.state())} {}

  // Where the next bytes belong.
  std::span<std::byte> room() {
    if (filled_ == buffer_.size()) {
      buffer_.resize(
          std::min(BlobStore::kChunkBytes, std::max<std::size_t>(64 * 1024, 2 * filled_)));
    }
    return std::span{buffer_}.subspan(filled_);
  }
  asio::awaitable<void> add(std::size_t bytes) {
    filled_ += bytes;
    if (filled_ == BlobStore::kChunkBytes) {
      co_await store();
    }
  }
  // All that came counts.
  asio::awaitable<void> finish() {
    co_await store();
    co_await advance();
  }
  std::int64_t came() const { return stored_ + static_cast<std::int64_t>(filled_); }

private:
  asio::awaitable<void> store() {
    if (filled_ == 0) {
      co_return;
    }
    buffer_.resize(filled_);
    const auto size = static_cast<std::int64_t>(std::exchange(filled_, 0));
    sha_.update(buffer_);
    auto chunk = std::exchange(buffer_, {});
    co_await uploads_.store(receiving_, stored_, std::move(chunk));
    stored_ += size;
    if (!all_or_nothing_ && stored_ - receiving_.offset >= kAdvanceBytes) {
      co_await advance();
    }
  }
  asio::awaitable<void> advance() {
    if (stored_ > receiving_.offset) {
      auto sha = Sha256::restore(sha_.state());
      co_await uploads_.advance(receiving_, stored_, std::move(sha));
    }
  }

  UploadService& uploads_;
  ReceivingUpload& receiving_;
  bool all_or_nothing_;
  std::int64_t stored_;
  Sha256 sha_;
  std::vector<std::byte> buffer_;
  std::size_t filled_ = 0;
};

}  // namespace

asio::awaitable<Result<void>> receive_piece(UploadService& uploads, ReceivingUpload& receiving,
                                            http::BodyStream& body,
                                            std::unique_ptr<tus::Checksum> checksum) {
  const std::int64_t size = receiving.upload.size;
  const Error too_large{ErrorCode::too_large,
                        fmt::format("The upload has {} bytes, and this would be more.", size)};
  const auto announced = body.content_length().value_or(0);
  if (announced > static_cast<std::uint64_t>(size - receiving.offset)) {
    co_return too_large;
  }
  Piece piece{uploads, receiving, checksum != nullptr};
  std::exception_ptr broken;
  try {
    for (;;) {
      const auto room = piece.room();
      const auto got = co_await body.read(room);
      if (got == 0) {
        break;
      }
      if (piece.came() + static_cast<std::int64_t>(got) > size) {
        co_return too_large;
      }
      if (checksum) {
        checksum->update(room.first(got));
      }
      co_await piece.add(got);
    }
  } catch (const http::PeerGone&) {
    broken = std::current_exception();
  } catch (const http::BadBody&) {
    broken = std::current_exception();
  } catch (const UploadTaken&) {
    co_return taken_by_another();
  }
  if (checksum && (broken || !checksum->holds())) {
    if (broken) {
      std::rethrow_exception(broken);
    }
    co_return Error{ErrorCode::checksum_mismatch,
                    "The bytes are not those of Upload-Checksum; none of them was kept."};
  }
  bool taken = false;
  try {
    co_await piece.finish();
  } catch (const UploadTaken&) {
    taken = true;
  }
  if (broken) {
    std::rethrow_exception(broken);
  }
  if (taken) {
    co_return taken_by_another();
  }
  co_return Result<void>{};
}

}  // namespace infernode
