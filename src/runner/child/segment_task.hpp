#pragma once

#include <boost/json.hpp>
#include <memory>
#include <string>

#include "inference/runner_models.hpp"
#include "media/container.hpp"
#include "media/frame_reader.hpp"
#include "pipelines/pipeline.hpp"
#include "runner/child/channel.hpp"

namespace infernode::runner {

// The video of the last segment, kept open: the next one is of the same, mostly.
struct OpenVideo {
  std::string sha256;
  std::unique_ptr<ChannelSource> source;
  std::unique_ptr<media::Container> container;
};

// Works off one segment of a job, whatever its pipeline: decodes, has `threads` frames worked on at
// once, and sends every frame in order as a `frame` message. `task` is what segment_task.hpp of
// runner/host made. Returns the outcome: {processed, skipped, failed, reasons, tally, models,
// provider, runtime, processor}. Throws media::MediaError, std::exception.
boost::json::object run_segment_task(const boost::json::value& task,
                                     const PipelineCatalogue& pipelines,
                                     const inference::RunnerModels& models, int threads,
                                     Channel& channel, OpenVideo& open);

// The task's video from the task's keyframe on; the one that is open, if it is this.
media::FrameReader open_reader(const boost::json::value& task, Channel& channel, OpenVideo& open);

// The pipeline that the task's params name. Throws std::runtime_error.
const Pipeline& pipeline_of(const boost::json::value& task, const PipelineCatalogue& pipelines);

}  // namespace infernode::runner
