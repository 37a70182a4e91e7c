#include "core/scheduling.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace infernode {
namespace {

// As in sched_setattr(2); Debian 12's C library has neither this nor the function.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = SCHED_BATCH;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 100'000;  // ns: the length of a turn, the shortest there is
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};

}  // namespace

void yield_to_requests(int nice) {
  SchedulingAttributes attributes;
  attributes.nice = nice;
  if (syscall(SYS_sched_setattr, 0, &attributes, 0U) != 0) {
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nice);
  }
}

}  // namespace infernode
