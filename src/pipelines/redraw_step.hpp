#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipelines/sequence_step.hpp"

namespace infernode {

// Makes stored frames fit for being drawn anew: leaves out what has less than `confidence` or a
// label that is not among `classes` (if there are any), and what zones said. `list` is the key of
// what was found in a frame.
struct RedrawRules {
  std::string list;
  double confidence = 0;
  std::vector<std::string> classes;
};
std::unique_ptr<SequenceStep> make_redraw_step(RedrawRules rules);

}  // namespace infernode
