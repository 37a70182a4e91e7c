#pragma once

#include <boost/json.hpp>

#include "pipelines/pipeline.hpp"
#include "runner/child/channel.hpp"
#include "runner/child/segment_task.hpp"

namespace infernode::runner {

// Goes once more through the frames that a job's segments stored (source 1), in order, for what
// needs that, and draws the images, if the job has any. Sends every frame as run_segment_task does;
// so is the outcome, with `summary` from the pipeline's sequence besides.
boost::json::object run_sequence_task(const boost::json::value& task,
                                      const PipelineCatalogue& pipelines, int threads,
                                      Channel& channel, OpenVideo& open);

// Works off one segment of a job that draws again what another one found (source 1). Frames that
// the other one has not are skipped.
boost::json::object run_redraw_task(const boost::json::value& task,
                                    const PipelineCatalogue& pipelines, int threads,
                                    Channel& channel, OpenVideo& open);

}  // namespace infernode::runner
