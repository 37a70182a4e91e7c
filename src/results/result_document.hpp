#pragma once

#include <boost/json.hpp>
#include <map>
#include <string>
#include <vector>

#include "energy/grid.hpp"

namespace infernode {

// What the segments of a job add up to.
struct ResultTotals {
  int selected = 0;
  int processed = 0;
  int skipped = 0;
  int failed = 0;
  double joules = 0;
  std::map<std::string, std::int64_t> reasons;  // why frames were skipped or failed
  std::map<std::string, std::int64_t> labels;   // objects found, by label
  std::string energy_method;
  std::string runtime;

  // Adds one segment's outcome (the object that a runner sends, with `energy_method`).
  void add(int segment_processed, int segment_skipped, int segment_failed, double segment_joules,
           const boost::json::object& details);
};

struct ResultFacts {
  std::string job_id;
  std::string video_id;
  boost::json::value params;
  int width = 0;   // pixels
  int height = 0;  // pixels
  double fps = 0;
  int frame_count = 0;
  double seconds = 0;  // from start to end
  std::string model_sha256;
  std::string video_sha256;
  std::string build;
  energy::GridIntensity grid;
};

// The result document without its frames, which are stored beside it.
boost::json::object result_head(const ResultFacts& facts, const ResultTotals& totals);

// The texts that stand before and after the frames (each ",{...}", the first comma left out) to
// make the whole document of the head.
struct ResultFrame {
  std::string before;
  std::string after;
};
ResultFrame frame_of(const std::string& head);

}  // namespace infernode
