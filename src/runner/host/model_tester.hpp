#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <string>

#include "core/error.hpp"
#include "runner/host/runner_process.hpp"

namespace infernode::runner {

// A model and the picture that it is tried on; the bytes come by a SourceReader, as sources 0
// and 1.
struct ModelTrial {
  std::string manifest;  // as it was written; read_manifest() has accepted it
  std::int64_t model_bytes = 0;
  std::int64_t picture_bytes = 0;
  double confidence = 0.3;  // what is found with less is left out
};

struct ModelFindings {
  boost::json::array objects;  // as the pipeline gives them
  double load_seconds = 0;
  double run_seconds = 0;  // of the picture
};

// What loading a model and running it on a picture may cost.
TaskLimits trial_limits(const ModelTrial& trial);

// Loads a model in a runner of its own, in its box, and runs it on the picture. Neither file has to
// be trusted. `invalid`, with a sentence for whoever brought them, for a model that cannot be
// loaded, is not as its manifest says, fails when run or takes too much; and for a picture that
// cannot be read. Throws what `read` throws, and Unavailable where no runner can be started.
asio::awaitable<Result<ModelFindings>> try_model(asio::any_io_executor executor, ModelTrial trial,
                                                 TaskLimits limits, SourceReader read);

}  // namespace infernode::runner
