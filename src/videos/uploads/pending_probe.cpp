#include "videos/uploads/pending_probe.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace infernode {

std::shared_ptr<PendingProbe> PendingProbe::start(asio::any_io_executor executor,
                                                  VideoIngest& ingest, NewVideo file) {
  auto pending = std::make_shared<PendingProbe>(executor, ingest);
  asio::co_spawn(executor, run(pending, std::move(file)), [](const std::exception_ptr&) {});
  return pending;
}

// Throws nothing.
asio::awaitable<void> PendingProbe::run(std::shared_ptr<PendingProbe> self, NewVideo file) {
  try {
    auto cancel = self->cancel_;
    self->found_ = co_await self->ingest_.look_into(std::move(file), std::move(cancel));
  } catch (...) {
    self->failure_ = std::current_exception();
  }
  self->over_ = true;
  self->ended_.cancel();
  if (self->cancel_->cancelled()) {
    self->cancel();  // which came after its last look
  }
}

asio::awaitable<bool> PendingProbe::wait(std::chrono::steady_clock::duration most) {
  if (!over_) {
    boost::system::error_code ignored;
    ended_.expires_after(most);
    co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  co_return over_;
}

void PendingProbe::cancel() {
  cancel_->cancel();
  auto found = std::exchange(found_, std::nullopt);
  if (found && *found) {
    asio::co_spawn(ended_.get_executor(), ingest_.discard_unpacked(std::move(**found)),
                   [](const std::exception_ptr&) {});
  }
}

Result<NewVideos> PendingProbe::take() {
  if (failure_) {
    std::rethrow_exception(failure_);
  }
  auto found = std::exchange(found_, std::nullopt);
  return std::move(found.value());
}

}  // namespace infernode
