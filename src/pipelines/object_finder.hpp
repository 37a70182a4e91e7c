#pragma once

#include <boost/json.hpp>
#include <memory>

#include "inference/runner_models.hpp"
#include "media/frame_reader.hpp"

namespace infernode {

// Finds objects in frames, one at a time; every thread has its own.
class ObjectFinder {
public:
  virtual ~ObjectFinder() = default;
  // Objects as they stand in the result: each has label, class_id, confidence and box. Throws
  // std::exception, which ends the segment.
  virtual boost::json::array find(const media::DecodedFrame& frame) = 0;
};

// What each frame by itself must bring of what the params ask for: tracks also go on with what is
// less sure.
double wanted_confidence(const boost::json::object& params);

}  // namespace infernode
