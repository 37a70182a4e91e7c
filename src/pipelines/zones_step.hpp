#pragma once

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "pipelines/sequence_step.hpp"
#include "tracking/zones.hpp"

namespace infernode {

// The zones that params name, none where they name none. Throws for params that do not fit their
// schema.
std::vector<tracking::Zone> zones_of(const boost::json::object& params);

// `invalid`, naming the key of the params, for zones that contradict themselves or each other, or
// lie outside of pictures of this size, in pixels (0: not known).
Result<void> check_zones(const boost::json::object& params, int width = 0, int height = 0);

// Counts what its tracked boxes do in zones: a frame gets `events`, where there were any, and
// `zones`, which says how things stand; the summary says what they add up to. A box is where the
// middle of its lower edge is. `list` is the key of a frame's boxes: "objects".
std::unique_ptr<SequenceStep> make_zones_step(std::string list, std::vector<tracking::Zone> zones);

}  // namespace infernode
