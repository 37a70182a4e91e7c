#pragma once

namespace infernode {

// Puts this thread behind whoever answers requests: it gets the weight of `nice` (10 to 19), counts
// as batch work, and where Linux can (6.12) may be interrupted after 0.1 ms by whoever wakes up,
// not only after the usual 3 ms. On a machine that does nothing else it loses nothing.
void yield_to_requests(int nice);

// As above, for a whole process. Where it leads its session, that has the weight of `nice` among
// sessions too: Linux shares cores between them first (CONFIG_SCHED_AUTOGROUP), and PostgreSQL has
// one of its own: else a runner would weigh as much as all of that.
void yield_as_a_session(int nice);

}  // namespace infernode
