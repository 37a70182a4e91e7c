#include "videos/video_ingest.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <limits>

#include "videos/video_dao.hpp"

namespace infernode {
namespace {

// As all do that a ZIP begins with: a local file header, the end of one without files, or the mark
// of one in several parts (APPNOTE 4.3.7, 4.3.16 and 8.5.5). No video begins so.
constexpr std::array<std::byte, 2> kZipMark{std::byte{'P'}, std::byte{'K'}};

bool is_zip(const std::vector<std::byte>& beginning) {
  return std::equal(beginning.begin(), beginning.end(), kZipMark.begin(), kZipMark.end());
}

// Says which file of a ZIP is meant.
Error in_zip(Error error, const std::string& name) {
  const std::string prefix = "\"" + name + "\": ";
  error.detail = prefix + error.detail;
  for (auto& field : error.fields) {
    field.detail = prefix + field.detail;
  }
  return error;
}

// Stages a ZIP's files, each by itself. Room for them is reserved with the ZIP, whose bytes go when
// they become videos.
class UnpackedFiles : public media::PackedFileSink {
public:
  UnpackedFiles(BlobStore& blobs, StorageQuota& storage, const NewVideo& zip)
      : blobs_{blobs}, storage_{storage}, zip_{zip} {
    found_.archive = NewVideos::Archive{zip.file, zip.size};
  }

  asio::awaitable<Result<void>> begin(std::vector<media::PackedFile> files) override {
    std::int64_t total = 0;
    for (auto& file : files) {
      total += file.size;
      NewVideo video;
      video.user = zip_.user;
      video.dataset = zip_.dataset;
      video.name = std::move(file.name);
      video.size = file.size;
      found_.videos.push_back(std::move(video));
    }
    // What somebody reserved who unpacked it before and died is not needed any more.
    co_await storage_.give_back(zip_.file, zip_.size);
    const auto room = co_await storage_.reserve(zip_.file, zip_.user, total, total);
    if (!room) {
      co_return room.error();
    }
    co_return Result<void>{};
  }

  asio::awaitable<void> write(std::size_t file, std::vector<std::byte> bytes) override {
    if (!writer_) {
      writer_.emplace(blobs_);
      sha_ = Sha256{};
    }
    auto& video = found_.videos.at(file);
    sha_.update(bytes);
    co_await writer_->write(std::move(bytes));
    const bool whole = writer_->size() == video.size;
    if (whole) {
      co_await writer_->finish();
      video.sha256 = sha_.finish();
    }
    video.file = writer_->id().value_or(BlobId{});
    if (whole) {
      writer_.reset();
    }
  }

  // Says, now and then, that they are still wanted.
  asio::awaitable<void> keep() {
    const auto now = std::chrono::steady_clock::now();
    if (now - kept_at_ > kKeepInterval) {
      kept_at_ = now;
      for (const auto& video : found_.videos) {
        co_await blobs_.keep(video.file);
      }
    }
  }

  NewVideos& found() { return found_; }
  NewVideos take() { return std::move(found_); }

private:
  static constexpr std::chrono::minutes kKeepInterval{10};

  BlobStore& blobs_;
  StorageQuota& storage_;
  const NewVideo zip_;
  NewVideos found_;
  std::optional<BlobWriter> writer_;
  Sha256 sha_;
  std::chrono::steady_clock::time_point kept_at_{};
};

}  // namespace

asio::awaitable<Result<void>> VideoIngest::check(UserId user, DatasetId dataset) {
  const auto found = co_await datasets_.find(user, dataset);
  if (!found) {
    co_return found.error();
  }
  const Tokens frame = price_of(1);
  if (frame > Tokens{}) {
    const Tokens balance = co_await credits_.balance(user);
    if (balance < frame) {
      co_return insufficient_tokens(frame, balance);
    }
  }
  co_return Result<void>{};
}

asio::awaitable<Result<media::MediaInfo>> VideoIngest::probe(const NewVideo& file,
                                                             std::shared_ptr<Cancellation> cancel) {
  return probe_(file.user, file.file, file.size, std::move(cancel));
}

asio::awaitable<Result<NewVideos>> VideoIngest::look_into(NewVideo file,
                                                          std::shared_ptr<Cancellation> cancel) {
  const auto beginning = co_await blobs_.read(file.file, 0, kZipMark.size());
  if (is_zip(beginning)) {
    co_return co_await look_into_zip(std::move(file), std::move(cancel));
  }
  auto info = co_await probe(file, std::move(cancel));
  if (!info) {
    co_return info.error();
  }
  file.info = std::move(*info);
  NewVideos found;
  found.videos.push_back(std::move(file));
  co_return found;
}

asio::awaitable<Result<NewVideos>> VideoIngest::look_into_zip(
    NewVideo zip, std::shared_ptr<Cancellation> cancel) {
  const auto unpacked = std::make_shared<UnpackedFiles>(blobs_, storage_, zip);
  std::exception_ptr failure;
  std::optional<Error> refused;
  try {
    const auto whole = co_await unpack_(zip.user, zip.file, zip.size, unpacked, cancel);
    if (!whole) {
      refused = whole.error();
    }
    for (auto& video : unpacked->found().videos) {
      if (refused) {
        break;
      }
      co_await unpacked->keep();
      auto info = co_await probe(video, cancel);
      if (info) {
        video.info = std::move(*info);
      } else {
        refused = in_zip(info.error(), video.name);
      }
    }
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure && !refused && unpacked->found().frames() > std::numeric_limits<int>::max()) {
    refused = invalid("/file", "The ZIP's videos have too many frames.");
  }
  if (failure || refused) {
    co_await discard_unpacked(unpacked->take());
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
  if (refused) {
    co_return *refused;
  }
  co_return unpacked->take();
}

asio::awaitable<void> VideoIngest::discard_unpacked(NewVideos found) {
  if (found.archive) {
    for (const auto& video : found.videos) {
      co_await blobs_.try_discard(video.file);
    }
  }
}

asio::awaitable<Result<void>> VideoIngest::charge(db::Transaction& transaction,
                                                  const std::vector<VideoId>& ids,
                                                  const NewVideos& brought) {
  Tokens spent;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto& video = brought.videos[i];
    const Tokens price = price_of(video.info.frame_count);
    const auto charged = co_await credits_.charge_upload(
        transaction, video.user, ids[i], price, std::to_string(video.info.frame_count) + " frames");
    if (!charged) {
      Error error = charged.error();
      if (error.available) {
        error = insufficient_tokens(price_of(brought.frames()), *error.available + spent);
      }
      co_return error;
    }
    spent = spent + price;
  }
  co_return Result<void>{};
}

asio::awaitable<Result<std::vector<Video>>> VideoIngest::accept(db::Transaction& transaction,
                                                                NewVideos brought) {
  const UserId user = brought.videos.at(0).user;
  std::vector<VideoId> ids;
  // The dataset's row is locked before the user's, as everywhere.
  for (const auto& video : brought.videos) {
    const VideoId id = VideoId::random();
    const auto added = co_await video_dao::insert(transaction, id, video);
    if (!added) {
      co_return Error{ErrorCode::not_found, "There is no such dataset."};
    }
    ids.push_back(id);
  }
  const auto charged = co_await charge(transaction, ids, brought);
  if (!charged) {
    co_return charged.error();
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto& video = brought.videos[i];
    blobs_.adopt(transaction, video.file, video.size, video.sha256);
    video_dao::share_file(transaction, ids[i]);
  }
  if (brought.archive) {
    blobs_.expire(transaction, {brought.archive->file});
  }
  std::vector<Video> videos;
  for (const auto id : ids) {
    auto stored = co_await video_dao::find(transaction, user, id);
    videos.push_back(std::move(stored.value()));
  }
  co_return videos;
}

}  // namespace infernode
