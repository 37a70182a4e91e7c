#pragma once

#include <boost/json.hpp>

#include "inference/runner_models.hpp"
#include "pipelines/pipeline.hpp"
#include "runner/child/channel.hpp"

namespace infernode::runner {

// Works off one segment of a job, whatever its pipeline: decodes, has `threads` frames worked on at
// once, and sends every frame in order as a `frame` message. `task` is what segment_task.hpp of
// runner/host made. Returns the outcome: {processed, skipped, failed, reasons, tally, models,
// provider, runtime, processor}. Throws media::MediaError, std::exception.
boost::json::object run_segment_task(const boost::json::value& task,
                                     const PipelineCatalogue& pipelines,
                                     const inference::RunnerModels& models, int threads,
                                     Channel& channel);

}  // namespace infernode::runner
