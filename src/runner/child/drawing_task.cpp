#include "runner/child/drawing_task.hpp"

#include <utility>

#include "core/json.hpp"

namespace infernode::runner {

namespace json = boost::json;

class DrawingTask::Worker : public FrameWorker {
public:
  explicit Worker(const DrawingTask& task)
      : task_{task}, images_{*task.painter_, task.common_, task.list_} {}

  FrameResult work(const media::DecodedFrame& frame) override {
    const auto object = task_.take(frame.index);
    FrameResult result;
    result.json = json_text(object);
    if (frame.picture) {
      images_.add(frame, object, result);
    }
    return result;
  }

private:
  const DrawingTask& task_;
  FrameImages images_;
};

void DrawingTask::put(int index, json::object frame) {
  const std::lock_guard lock{mutex_};
  frames_.emplace(index, std::move(frame));
}

std::unique_ptr<FrameWorker> DrawingTask::new_worker() const {
  return std::make_unique<Worker>(*this);
}

json::object DrawingTask::take(int index) const {
  const std::lock_guard lock{mutex_};
  return std::move(frames_.extract(index).mapped());
}

void FrameDrawing::push(json::object frame) {
  const int index = json::value_to<int>(frame.at("frame"));
  while (reader_ && (!decoded_ || decoded_->index < index)) {
    decoded_ = reader_->next();
    if (!decoded_) {
      break;
    }
  }
  media::DecodedFrame work{};
  if (decoded_ && decoded_->index == index) {
    work = std::move(*decoded_);
    decoded_.reset();
    if (on_decoded_) {
      on_decoded_(work.time, [this] { lanes_.wait(); });
    }
  }
  work.index = index;
  task_.put(index, std::move(frame));
  lanes_.push(std::move(work));
}

}  // namespace infernode::runner
