#include "videos/uploads/pending_probe.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace infernode {

std::shared_ptr<PendingProbe> PendingProbe::start(asio::any_io_executor executor,
                                                  VideoIngest& ingest, const NewVideo& video) {
  auto pending = std::make_shared<PendingProbe>(executor);
  asio::co_spawn(executor, run(pending, ingest, video.user, video.file, video.size),
                 [](const std::exception_ptr&) {});
  return pending;
}

// Throws nothing.
asio::awaitable<void> PendingProbe::run(std::shared_ptr<PendingProbe> self, VideoIngest& ingest,
                                        UserId user, BlobId file, std::int64_t size) {
  try {
    self->info_ = co_await ingest.probe(user, file, size, self->cancel_);
  } catch (...) {
    self->failure_ = std::current_exception();
  }
  self->over_ = true;
  self->ended_.cancel();
}

asio::awaitable<bool> PendingProbe::wait(std::chrono::steady_clock::duration most) {
  if (!over_) {
    boost::system::error_code ignored;
    ended_.expires_after(most);
    co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  co_return over_;
}

Result<media::MediaInfo> PendingProbe::take() {
  if (failure_) {
    std::rethrow_exception(failure_);
  }
  return std::move(info_.value());
}

}  // namespace infernode
