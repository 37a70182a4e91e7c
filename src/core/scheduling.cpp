#include "core/scheduling.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

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

void yield_as_a_session(int nice) {
  yield_to_requests(nice);
  if (getsid(0) != getpid()) {
    return;  // the session's others would yield too
  }
  const int file = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
  const auto text = std::to_string(nice);
  // Linux takes ten of these a second, of all users together, but for root's.
  for (int tries = 0; file >= 0 && tries < 5; ++tries) {
    if (write(file, text.data(), text.size()) > 0 || errno != EAGAIN) {
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
  if (file >= 0) {
    close(file);
  }
}

}  // namespace infernode
