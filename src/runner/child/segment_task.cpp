#include "runner/child/segment_task.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "core/embedded.hpp"
#include "core/json.hpp"
#include "pipelines/frame_task.hpp"

namespace infernode::runner {
namespace {

namespace json = boost::json;

struct Work {
  std::size_t sequence;
  media::DecodedFrame frame;
};

struct Finished {
  int frame;
  FrameResult result;
};

// Decoded frames go in at one end, in order; finished ones are sent at the other, in the same
// order. In between any number of threads work on single frames. Both the queue and what waits for
// its turn are bounded, so memory does not grow with the video.
class FrameLanes {
public:
  FrameLanes(const FrameTask& task, int threads, Channel& channel)
      : task_{task}, channel_{channel}, capacity_{static_cast<std::size_t>(threads) * 2} {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { work(); });
    }
  }
  ~FrameLanes() { close(); }
  FrameLanes(const FrameLanes&) = delete;
  FrameLanes& operator=(const FrameLanes&) = delete;

  // Waits while the queue is full. Throws what a thread threw.
  void push(media::DecodedFrame frame) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return failure_ || next_in_ - next_out_ < capacity_; });
    if (failure_) {
      std::rethrow_exception(failure_);
    }
    queue_.push_back(Work{next_in_++, std::move(frame)});
    changed_.notify_all();
  }
  // Waits until everything pushed was sent. Throws what a thread threw.
  void finish() {
    close();
    if (failure_) {
      std::rethrow_exception(failure_);
    }
  }
  const std::map<std::string, std::int64_t>& tally() const { return tally_; }
  int sent() const { return sent_; }

private:
  void close() {
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

  void work() {
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
        Finished finished{work.frame.index, worker->work(work.frame)};
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

  // Sends the frames whose turn has come. The thread that holds the next one sends it, and those
  // that wait behind it; the lock keeps the order and makes a slow worker slow everyone down.
  void hand_in(std::size_t sequence, Finished finished) {
    const std::lock_guard sending{sending_};
    waiting_.emplace(sequence, std::move(finished));
    while (!waiting_.empty() && waiting_.begin()->first == next_to_send_) {
      const Finished& next = waiting_.begin()->second;
      const auto& [json, jpeg, tally] = next.result;
      const FrameHeader header{next.frame, static_cast<std::uint32_t>(json.size())};
      channel_.send(MessageType::frame, {std::as_bytes(std::span{&header, 1}),
                                         std::as_bytes(std::span{json.data(), json.size()}), jpeg});
      for (const auto& [name, count] : tally) {
        tally_[name] += count;
      }
      ++sent_;
      waiting_.erase(waiting_.begin());
      ++next_to_send_;
      const std::lock_guard lock{mutex_};
      next_out_ = next_to_send_;
      changed_.notify_all();
    }
  }

  const FrameTask& task_;
  Channel& channel_;
  const std::size_t capacity_;  // frames between push() and their sending

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;
  std::size_t next_in_ = 0;
  std::size_t next_out_ = 0;
  bool closed_ = false;
  std::exception_ptr failure_;

  std::mutex sending_;
  std::map<std::size_t, Finished> waiting_;
  std::size_t next_to_send_ = 0;
  std::map<std::string, std::int64_t> tally_;
  int sent_ = 0;

  std::vector<std::thread> threads_;
};

}  // namespace

json::object run_segment_task(const json::value& task, const PipelineCatalogue& pipelines,
                              const inference::RunnerModels& models, int threads, Channel& channel,
                              OpenVideo& open) {
  const auto& params = task.at("params").as_object();
  const auto pipeline = pipelines.of(params);
  if (!pipeline) {
    throw std::runtime_error(pipeline.error().detail);
  }
  const auto frame_task = (*pipeline)->open(params, models);
  // 64-bit: a step may be as large as an int.
  const std::int64_t step = common_params(params).frame_step;
  const auto end = json::value_to<std::int64_t>(task.at("end_frame"));
  auto wanted = json::value_to<std::int64_t>(task.at("start_frame"));  // the next selected frame
  const auto sha256 = json::value_to<std::string>(task.at("video_sha256"));
  if (sha256.empty() || open.sha256 != sha256) {
    open.container.reset();
    open.source = std::make_unique<ChannelSource>(
        channel, 0, json::value_to<std::int64_t>(task.at("video_bytes")));
    open.sha256 = sha256;
  }
  const auto& keyframe = task.at("keyframe");
  media::FrameReader reader{
      *open.source,
      keyframe.is_null() ? std::nullopt : std::optional{media::keyframe_from_json(keyframe)},
      std::exchange(open.container, nullptr)};
  reader.want({static_cast<int>(wanted), static_cast<int>(end), static_cast<int>(step)});
  FrameLanes lanes{*frame_task, threads, channel};
  std::int64_t lost = 0;  // selected frames that the decoder could not give
  while (wanted < end) {
    auto frame = reader.next();
    if (!frame) {
      break;
    }
    for (; wanted < frame->index && wanted < end; wanted += step) {
      ++lost;
    }
    if (frame->index == wanted && wanted < end) {
      lanes.push(std::move(*frame));
      wanted += step;
    }
  }
  lanes.finish();
  std::int64_t missing = 0;  // selected frames after the last one that the video gave
  for (; wanted < end; wanted += step) {
    ++(reader.timed() ? lost : missing);  // by their times it is known that they are there
  }
  open.container = reader.release();
  json::object tally;
  for (const auto& [name, count] : lanes.tally()) {
    tally.emplace(name, count);
  }
  json::object reasons;
  if (lost > 0) {
    reasons.emplace("not_decodable", lost);
  }
  if (missing > 0) {
    reasons.emplace("after_last_frame", missing);
  }
  json::array used;
  std::string provider = "cpu";
  for (const auto& name : (*pipeline)->models(params)) {
    const auto& loaded = models.at(name);
    used.push_back(json::object{{"name", name}, {"sha256", loaded.model.sha256}});
    provider = loaded.session->provider();
  }
  return {{"processed", lanes.sent()},
          {"skipped", missing},
          {"failed", lost},
          {"reasons", std::move(reasons)},
          {"tally", std::move(tally)},
          {"models", std::move(used)},
          {"provider", provider},
          {"runtime", inference::runtime_version()},
          {"build", build_version()}};
}

}  // namespace infernode::runner
