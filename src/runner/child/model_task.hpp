#pragma once

#include <boost/json.hpp>

#include "pipelines/pipeline.hpp"
#include "runner/child/channel.hpp"

namespace infernode::runner {

// Loads a model that nobody has looked at yet (source 0) and runs it on a picture (source 1), as
// its pipeline does; the outcome has the objects that it found. Throws media::MediaError for the
// picture, std::exception for the model.
boost::json::object run_model_task(const boost::json::value& task,
                                   const PipelineCatalogue& pipelines, Channel& channel);

}  // namespace infernode::runner
