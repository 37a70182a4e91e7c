#pragma once

#include <boost/json.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "energy/grid.hpp"

namespace infernode {

// What the segments of a job add up to. Grows with the number of different labels, machines and
// models, not with that of segments.
struct ResultTotals {
  int selected = 0;
  int processed = 0;
  int skipped = 0;
  int failed = 0;
  double joules = 0;
  double grams = 0;                             // of CO2e
  std::map<std::string, std::int64_t> reasons;  // why frames were skipped or failed
  std::map<std::string, std::int64_t> tally;    // the pipeline's counters
  std::int64_t crops_left_out = 0;              // more than an archive's directory should hold
  // All that took part, each once.
  std::set<std::string> energy_methods;
  std::map<std::string, double> grids;  // source -> grams of CO2e per kWh
  std::set<std::string> models;         // SHA-256 of each file
  std::set<std::string> runtimes;
  std::set<std::string> providers;
  std::set<std::string> processors;
  std::set<std::string> builds;

  // Adds one segment: `details` are what its runner said (run_segment_task), with energy_method,
  // joules, grams, grid_g_per_kwh and grid_source. Of a segment finished before those were
  // recorded, `grid` and `model_sha256` stand in.
  void add(int segment_processed, int segment_skipped, int segment_failed,
           const boost::json::object& details, const energy::GridIntensity& grid,
           const std::string& model_sha256);

  boost::json::object to_json() const;
  static ResultTotals from_json(const boost::json::object& object);
};

// Why a job with these frames has failed, for its user: none was worked off, or more failed than
// the share `max_failed` of the selected ones; nullopt: it has not.
std::optional<std::string> failure_of(const ResultTotals& totals, double max_failed);

struct ResultFacts {
  std::string job_id;
  std::string video_id;
  boost::json::value params;
  int width = 0;   // pixels
  int height = 0;  // pixels
  double fps = 0;
  int frame_count = 0;
  std::vector<std::string> warnings;  // what was odd about the video
  double seconds = 0;                 // from start to end
  std::string video_sha256;
};

// The result document without its frames, which are stored beside it. `summary` is the pipeline's.
boost::json::object result_head(const ResultFacts& facts, const ResultTotals& totals,
                                boost::json::object summary);

// The texts that stand before and after the frames (see frame_stream.hpp; the first comma left out)
// to make the whole document of the head.
struct DocumentEnds {
  std::string before;
  std::string after;
};
DocumentEnds document_ends(const std::string& head);

}  // namespace infernode
