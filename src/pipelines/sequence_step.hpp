#pragma once

#include <boost/json.hpp>
#include <vector>

namespace infernode {

// Goes through a job's frames in order, once all of them are there: what a frame alone cannot say.
// Each frame is its JSON object as FrameWorker made it, without what did not come.
class SequenceStep {
public:
  virtual ~SequenceStep() = default;
  // The next frame. Returns those that are finished, in order. Throws std::exception for a frame
  // that is none of this pipeline.
  virtual std::vector<boost::json::object> push(boost::json::object frame) = 0;
  // The frames that are left.
  virtual std::vector<boost::json::object> finish() { return {}; }
  // What it adds to the summary.
  virtual boost::json::object summary() const { return {}; }
};

}  // namespace infernode
