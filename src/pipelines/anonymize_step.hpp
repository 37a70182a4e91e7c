#pragma once

#include <memory>
#include <string>

#include "pipelines/sequence_step.hpp"
#include "tracking/tracker.hpp"

namespace infernode {

// Frames around what was found in which it is hidden too, where it was not found yet or any more.
// Two hits that make no track then cover what lies between them as far as one of a track does.
constexpr int kHiddenMargin = tracking::TrackerSettings{}.patience / 2;

// Sees to it that nobody shows who is to be hidden: where a tracked box was filled in it is there
// already; in the kHiddenMargin frames before it was found first and after it was found last, and
// around whatever is in no track, a frame gets `hidden`: boxes besides those of what was found. The
// summary counts both kinds of frames. `list` is the key of a frame's boxes: "objects".
std::unique_ptr<SequenceStep> make_anonymize_step(std::string list);

}  // namespace infernode
