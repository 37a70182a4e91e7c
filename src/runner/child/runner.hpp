#pragma once

#include <boost/json.hpp>
#include <functional>
#include <string>

#include "inference/runner_models.hpp"
#include "pipelines/pipeline.hpp"
#include "runner/child/channel.hpp"
#include "runner/child/segment_task.hpp"
#include "runner/options.hpp"

namespace infernode::runner {

// What a runner has once it is in its box.
struct RunnerParts {
  const PipelineCatalogue& pipelines;
  const inference::RunnerModels& models;
  int threads;
  std::string processor;  // its name
  Channel& channel;
  OpenVideo& open;
};

// Does one task and returns its outcome. Throws media::MediaError, std::exception.
using TaskRunner =
    std::function<boost::json::object(const boost::json::value& task, const RunnerParts& parts)>;

// Probes a video, works off a segment, or tries a model.
boost::json::object run_task(const boost::json::value& task, const RunnerParts& parts);

// The runner's whole life: loads its models, closes its box, then does the tasks that come over
// descriptor 3 until the worker closes it. Ends the process.
[[noreturn]] void run_runner(const RunnerOptions& options);
// The same with tasks of the caller's, for the test that tries to get out.
[[noreturn]] void run_runner(const RunnerOptions& options, const TaskRunner& run);

}  // namespace infernode::runner
