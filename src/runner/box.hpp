#pragma once

#include <string>
#include <vector>

namespace infernode::runner {

// What a runner keeps of the system once it is in its box.
enum class Reach {
  nothing,  // its socket, memory and threads
  gpu,      // besides these what CUDA's driver needs: device files, and system folders for reading
};

// What of the box this machine has. The system-call filter alone stops all that is known; the rest
// is there for the day on which it does not.
struct BoxSupport {
  bool filter = false;      // seccomp(2) with filters
  int landlock = 0;         // version of landlock(7); 0: none
  bool namespaces = false;  // network and IPC namespaces of its own
};

// Tries it out, the namespaces in a child process. Throws std::system_error.
BoxSupport box_support();
// What is missing, each as a sentence; empty where everything is there.
std::vector<std::string> missing_in_box(const BoxSupport& support);

// The first half, before anything is loaded: no network and no shared memory of others. For a
// process with one thread. Does what the machine can.
void leave_namespaces();
// The second half, before the first untrusted byte: from here on the process can use what it has
// and get nothing more. It loses root's rights and can read no file, start no program, make no
// socket, signal nobody but itself; what only an attacker would try ends it with SIGSYS. It dies
// with `parent`. Descriptors 0 to 2 become /dev/null (with the address sanitizer the last one stays
// for its report). At most `most_memory` bytes of private memory. Throws std::system_error,
// std::runtime_error.
void close_box(Reach reach, std::size_t most_memory, int parent);

}  // namespace infernode::runner
