#include "runner/child/frame_lanes.hpp"

#include "inference/model.hpp"

namespace infernode::runner {

FrameLanes::FrameLanes(const FrameTask& task, int threads, Channel& channel, OnPicture on_picture)
    : task_{task},
      channel_{channel},
      on_picture_{std::move(on_picture)},
      capacity_{static_cast<std::size_t>(threads) * 2} {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { work(); });
  }
}

void FrameLanes::push(media::DecodedFrame frame) {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [&] { return failure_ || next_in_ - next_out_ < capacity_; });
  if (failure_) {
    std::rethrow_exception(failure_);
  }
  queue_.push_back(Work{next_in_++, std::move(frame)});
  changed_.notify_all();
}

void FrameLanes::wait() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [&] { return failure_ || next_in_ == next_out_; });
  if (failure_) {
    std::rethrow_exception(failure_);
  }
}

void FrameLanes::finish() {
  close();
  if (failure_) {
    std::rethrow_exception(failure_);
  }
}

void FrameLanes::close() {
  {
    const std::lock_guard lock{mutex_};
    closed_ = true;
    changed_.notify_all();
  }
  for (auto& thread : threads_) {
    if (thread.joinable()) {
      thread.join();
    }
  }
}

void FrameLanes::work() {
  try {
    const auto worker = task_.new_worker();
    for (;;) {
      Work work{};
      {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return failure_ || closed_ || !queue_.empty(); });
        if (failure_ || queue_.empty()) {
          return;
        }
        work = std::move(queue_.front());
        queue_.pop_front();
      }
      Finished finished{work.frame.index, std::nullopt, {}};
      try {
        finished.result = worker->work(work.frame);
      } catch (const inference::InferenceFailed& error) {
        // It would fail again: how many such frames a job may have is in its params.
        finished.failure = error.what();
      }
      hand_in(work.sequence, std::move(finished));
    }
  } catch (...) {
    const std::lock_guard lock{mutex_};
    if (!failure_) {
      failure_ = std::current_exception();
    }
    changed_.notify_all();
  }
}

void FrameLanes::hand_in(std::size_t sequence, Finished finished) {
  const std::lock_guard sending{sending_};
  waiting_.emplace(sequence, std::move(finished));
  while (!waiting_.empty() && waiting_.begin()->first == next_to_send_) {
    const Finished& next = waiting_.begin()->second;
    send(next);
    waiting_.erase(waiting_.begin());
    ++next_to_send_;
    const std::lock_guard lock{mutex_};
    next_out_ = next_to_send_;
    changed_.notify_all();
  }
}

void FrameLanes::send(const Finished& finished) {
  if (!finished.result) {
    if (failed_++ == 0) {
      first_failure_ = finished.failure;
    }
    return;
  }
  const auto& [json, jpeg, tally, picture, crops] = *finished.result;
  if (picture && on_picture_) {
    on_picture_(*picture);
  }
  for (const auto& crop : crops) {
    const CropHeader part{finished.frame, crop.object};
    channel_.send(MessageType::crop, {std::as_bytes(std::span{&part, 1}), crop.jpeg});
  }
  const FrameHeader header{finished.frame, static_cast<std::uint32_t>(json.size())};
  channel_.send(MessageType::frame, {std::as_bytes(std::span{&header, 1}),
                                     std::as_bytes(std::span{json.data(), json.size()}), jpeg});
  for (const auto& [name, count] : tally) {
    tally_[name] += count;
  }
  ++sent_;
}

}  // namespace infernode::runner
