#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/sequence_step.hpp"

namespace infernode {

// A job's frames in order, through one step after the other, and counted in the end.
class FrameSequence {
public:
  // `list`: the key of what was found in a frame ("objects"). Without steps frames are only
  // counted.
  FrameSequence(std::string list, std::vector<std::unique_ptr<SequenceStep>> steps)
      : list_{std::move(list)}, steps_{std::move(steps)} {}

  // The next frame. Returns those that are finished, as they stand in the result, in order. Throws
  // std::exception for a frame that is none of this pipeline.
  std::vector<boost::json::object> push(boost::json::object frame);
  // The frames that are left.
  std::vector<boost::json::object> finish();
  // How much was found of each label, in place of the counters of FrameWorker; what has none counts
  // under the list's own name. What was filled in (`interpolated`) was not found.
  const std::map<std::string, std::int64_t>& tally() const { return tally_; }
  // What the steps add to the summary.
  boost::json::object summary() const;

private:
  std::vector<boost::json::object> push_from(std::size_t step,
                                             std::vector<boost::json::object> frames);
  std::vector<boost::json::object> counted(std::vector<boost::json::object> frames);

  std::string list_;
  std::vector<std::unique_ptr<SequenceStep>> steps_;
  std::map<std::string, std::int64_t> tally_;
};

}  // namespace infernode
