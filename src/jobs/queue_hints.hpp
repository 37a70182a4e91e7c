#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "core/clock.hpp"

namespace infernode {

// Where a claim begins to look. Rows that were claimed stay in the indexes until VACUUM may remove
// them, which a long snapshot delays for hours; whoever claims goes on from where work was found
// last, and does not pass all of these again. Only hints, of one process: what gets below them all
// the same (by a clock that lags, a transaction that took long) is found after the next look at
// what waits, within a second.
struct QueueHints {
  Timestamp urgent_floor{};     // of the moment since when something urgent waits
  std::int64_t pass_floor = 0;  // of "Turns"."pass"

  void found_urgent(Timestamp since) {
    urgent_floor = std::max(urgent_floor, since - std::chrono::seconds{1});
  }
  // Others may be below for a moment, while they are being served.
  void found_turn(std::int64_t pass) { pass_floor = std::max(pass_floor, pass - 2'000'000); }
};

}  // namespace infernode
