#pragma once

#include <boost/json.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "media/frame_reader.hpp"
#include "pipelines/frame_images.hpp"
#include "pipelines/frame_task.hpp"
#include "pipelines/pipeline.hpp"
#include "runner/child/frame_lanes.hpp"

namespace infernode::runner {

// Draws frames whose JSON is known already.
class DrawingTask : public FrameTask {
public:
  // `pipeline` must outlive it.
  DrawingTask(const Pipeline& pipeline, const boost::json::object& params)
      : painter_{pipeline.painter(params)},
        common_{common_params(params)},
        list_{pipeline.list()} {}

  // What the frame's worker will take.
  void put(int index, boost::json::object frame);
  std::unique_ptr<FrameWorker> new_worker() const override;

private:
  class Worker;
  boost::json::object take(int index) const;

  std::unique_ptr<FramePainter> painter_;
  CommonParams common_;
  std::string list_;
  mutable std::mutex mutex_;
  mutable std::map<int, boost::json::object> frames_;
};

// Sends frames with what is drawn on their pictures, on several threads, in order.
class FrameDrawing {
public:
  using OnDecoded = std::function<void(double seconds, const std::function<void()>& wait)>;

  // Without a reader frames have no pictures. All but the reader must outlive it.
  // `on_picture` gets what is to be seen in the annotated video, in order; before that, within
  // push(), `on_decoded` gets the picture's time, and what it may call to wait for all before it.
  FrameDrawing(DrawingTask& task, std::optional<media::FrameReader> reader, int threads,
               Channel& channel, OnDecoded on_decoded = {}, FrameLanes::OnPicture on_picture = {})
      : task_{task},
        reader_{std::move(reader)},
        on_decoded_{std::move(on_decoded)},
        lanes_{task, threads, channel, std::move(on_picture)} {}

  // The next frame of the result. Throws what reading and drawing throw.
  void push(boost::json::object frame);
  // Waits until everything was sent. Throws likewise.
  void finish() { lanes_.finish(); }
  int sent() const { return lanes_.sent(); }
  // The reader's container, for another reader; nullptr without one.
  std::unique_ptr<media::Container> release() { return reader_ ? reader_->release() : nullptr; }

private:
  DrawingTask& task_;
  std::optional<media::FrameReader> reader_;
  std::optional<media::DecodedFrame> decoded_;
  OnDecoded on_decoded_;
  FrameLanes lanes_;
};

}  // namespace infernode::runner
