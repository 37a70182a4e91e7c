#pragma once

#include <boost/json.hpp>
#include <filesystem>

#include "core/config.hpp"
#include "inference/model_catalogue.hpp"

namespace infernode::cli {

// What stays of a run's frames, as a result stores them (see frame_stream.hpp), if it is kept.
constexpr const char* kFramesFile = ".frames";

struct LocalRunOptions {
  std::filesystem::path video;
  std::filesystem::path out;  // folder for result.json, images.zip and video.mp4
  boost::json::object params;
  enum class Report { text, json, none };
  Report report = Report::text;
  bool keep_frames = false;
};

// Runs a pipeline over a video file, without server and database, with progress on a terminal.
// Returns the result without its frames. Throws std::exception, in a sentence for whoever started
// it, also when interrupted.
boost::json::object run_locally(const LocalRunOptions& options, const Config& config,
                                const inference::ModelCatalogue& models);

}  // namespace infernode::cli
