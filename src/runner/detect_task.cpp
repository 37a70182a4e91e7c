#include "runner/detect_task.hpp"

#include <cmath>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "core/json.hpp"
#include "inference/drawing.hpp"

namespace infernode::runner {
namespace {

namespace json = boost::json;

struct Work {
  std::size_t sequence;
  media::DecodedFrame frame;
};

struct Finished {
  int frame;
  std::string json;
  std::vector<std::byte> jpeg;
  std::vector<int> class_ids;
};

double rounded(double value, double steps) {
  return std::round(value * steps) / steps;
}

std::string frame_json(const media::DecodedFrame& frame,
                       const std::vector<inference::Detection>& detections,
                       const std::vector<std::string>& labels) {
  json::array objects;
  for (const auto& detection : detections) {
    objects.push_back(json::object{
        {"label", labels[static_cast<std::size_t>(detection.class_id)]},
        {"class_id", detection.class_id},
        {"confidence", detection.confidence},
        {"box", json::array{detection.x, detection.y, detection.width, detection.height}}});
  }
  return json_text(json::object{
      {"frame", frame.index}, {"time", rounded(frame.time, 1e3)}, {"objects", std::move(objects)}});
}

// Decoded frames go in at one end, in order; finished ones are sent at the other, in the same
// order. In between any number of threads work on single frames. Both the queue and what waits for
// its turn are bounded, so memory does not grow with the video.
class FramePipeline {
public:
  FramePipeline(const DetectTask& task, const inference::Detector& detector, int threads,
                Channel& channel)
      : task_{task},
        detector_{detector},
        channel_{channel},
        capacity_{static_cast<std::size_t>(threads) * 2} {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { work(); });
    }
  }
  ~FramePipeline() { close(); }
  FramePipeline(const FramePipeline&) = delete;
  FramePipeline& operator=(const FramePipeline&) = delete;

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
  const std::map<int, int>& class_counts() const { return class_counts_; }
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
    inference::Detector::Scratch scratch;
    std::unique_ptr<media::FrameConverter> converter;
    media::Image image;
    try {
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
        const AVFrame& picture = *work.frame.picture;
        const auto detections = detector_.detect(picture, task_.confidence, task_.classes, scratch);
        Finished finished{
            work.frame.index, frame_json(work.frame, detections, detector_.model().labels), {}, {}};
        for (const auto& detection : detections) {
          finished.class_ids.push_back(detection.class_id);
        }
        if (task_.images) {
          if (!converter || image.width != picture.width || image.height != picture.height) {
            converter = std::make_unique<media::FrameConverter>(picture.width, picture.height);
          }
          converter->convert(picture, image);
          inference::draw_detections(image, detections, detector_.model().labels);
          finished.jpeg = media::encode_jpeg(image, task_.image_quality);
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

  // Sends the frames whose turn has come. The thread that holds the next one sends it, and those
  // that wait behind it; the lock keeps the order and makes a slow worker slow everyone down.
  void hand_in(std::size_t sequence, Finished finished) {
    const std::lock_guard sending{sending_};
    waiting_.emplace(sequence, std::move(finished));
    while (!waiting_.empty() && waiting_.begin()->first == next_to_send_) {
      const Finished& next = waiting_.begin()->second;
      const FrameHeader header{next.frame, static_cast<std::uint32_t>(next.json.size())};
      channel_.send(MessageType::frame,
                    {std::as_bytes(std::span{&header, 1}),
                     std::as_bytes(std::span{next.json.data(), next.json.size()}), next.jpeg});
      for (const int class_id : next.class_ids) {
        ++class_counts_[class_id];
      }
      ++sent_;
      waiting_.erase(waiting_.begin());
      ++next_to_send_;
      const std::lock_guard lock{mutex_};
      next_out_ = next_to_send_;
      changed_.notify_all();
    }
  }

  const DetectTask& task_;
  const inference::Detector& detector_;
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
  std::map<int, int> class_counts_;
  int sent_ = 0;

  std::vector<std::thread> threads_;
};

}  // namespace

DetectTask detect_task_from_json(const json::value& value) {
  DetectTask task;
  task.video_bytes = json::value_to<std::int64_t>(value.at("video_bytes"));
  task.start_frame = json::value_to<int>(value.at("start_frame"));
  task.end_frame = json::value_to<int>(value.at("end_frame"));
  task.frame_step = json::value_to<int>(value.at("frame_step"));
  if (const auto& keyframe = value.at("keyframe"); !keyframe.is_null()) {
    task.keyframe = media::Keyframe{json::value_to<int>(keyframe.at("frame")),
                                    json::value_to<std::int64_t>(keyframe.at("pts"))};
  }
  task.confidence = json::value_to<double>(value.at("confidence"));
  task.classes = json::value_to<std::vector<int>>(value.at("classes"));
  task.images = value.at("images").as_bool();
  task.image_quality = json::value_to<int>(value.at("image_quality"));
  return task;
}

json::object detect_task_to_json(const DetectTask& task) {
  json::value keyframe;
  if (task.keyframe) {
    keyframe = json::object{{"frame", task.keyframe->frame}, {"pts", task.keyframe->pts}};
  }
  return {{"op", "detect"},
          {"video_bytes", task.video_bytes},
          {"start_frame", task.start_frame},
          {"end_frame", task.end_frame},
          {"frame_step", task.frame_step},
          {"keyframe", keyframe},
          {"confidence", task.confidence},
          {"classes", json::value_from(task.classes)},
          {"images", task.images},
          {"image_quality", task.image_quality}};
}

json::object run_detect_task(const DetectTask& task, const inference::Detector& detector,
                             int threads, Channel& channel) {
  ChannelSource source{channel, task.video_bytes};
  media::FrameReader reader{source, task.keyframe};
  FramePipeline pipeline{task, detector, threads, channel};
  int wanted = task.start_frame;  // the next selected frame
  int lost = 0;                   // selected frames that the decoder could not give
  while (wanted < task.end_frame) {
    auto frame = reader.next();
    if (!frame) {
      break;
    }
    for (; wanted < frame->index && wanted < task.end_frame; wanted += task.frame_step) {
      ++lost;
    }
    if (frame->index == wanted && wanted < task.end_frame) {
      pipeline.push(std::move(*frame));
      wanted += task.frame_step;
    }
  }
  pipeline.finish();
  int missing = 0;  // selected frames after the last one that the video gave
  for (; wanted < task.end_frame; wanted += task.frame_step) {
    ++missing;
  }
  json::object labels;
  for (const auto& [class_id, count] : pipeline.class_counts()) {
    labels.emplace(detector.model().labels[static_cast<std::size_t>(class_id)], count);
  }
  json::object reasons;
  if (lost > 0) {
    reasons.emplace("not_decodable", lost);
  }
  if (missing > 0) {
    reasons.emplace("after_last_frame", missing);
  }
  return {{"processed", pipeline.sent()},
          {"skipped", missing},
          {"failed", lost},
          {"reasons", std::move(reasons)},
          {"labels", std::move(labels)},
          {"provider", detector.provider()},
          {"runtime", inference::runtime_version()}};
}

}  // namespace infernode::runner
