#pragma once

namespace infernode {

// Puts this thread behind whoever answers requests: it gets the weight of `nice` (10 to 19), counts
// as batch work, and where Linux can (6.12) may be interrupted after 0.1 ms by whoever wakes up,
// not only after the usual 3 ms. On a machine that does nothing else it loses nothing.
void yield_to_requests(int nice);

}  // namespace infernode
