#include "runner/box.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <system_error>

namespace infernode::runner {
namespace {

constexpr uid_t kNobody = 65534;

// The sanitizers look at memory through pipes, need more of it than any sensible limit, and report
// on standard error.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

[[noreturn]] void fail_box(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// --- namespaces

bool unshare_all() {
  constexpr int kApart = CLONE_NEWNET | CLONE_NEWIPC;
  return (geteuid() == 0 && unshare(kApart) == 0) || unshare(CLONE_NEWUSER | kApart) == 0;
}

// --- Landlock

// What landlock(7) version 6 knows; Debian 12's header ends before.
struct LandlockRules {
  std::uint64_t files;
  std::uint64_t network;
  std::uint64_t scopes;
};
constexpr std::uint64_t kWriteFile = 1ULL << 1;
constexpr std::uint64_t kReadFile = 1ULL << 2;
constexpr std::uint64_t kReadFolder = 1ULL << 3;
constexpr std::uint64_t kDeviceCalls = 1ULL << 15;

int landlock_version() {
  const long version =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : static_cast<int>(version);
}

// Every right over files that this version can take away.
std::uint64_t file_rights(int version) {
  constexpr std::array<int, 5> kRights{13, 14, 15, 15, 16};
  return (1ULL << kRights.at(static_cast<std::size_t>(std::min(version, 5) - 1))) - 1;
}

void allow_beneath(int rules, const char* folder, std::uint64_t rights) {
  const int place = open(folder, O_PATH | O_CLOEXEC);
  if (place < 0) {
    return;  // then there is nothing to reach
  }
  const landlock_path_beneath_attr rule{rights, place};
  const long added = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  close(place);
  if (added != 0) {
    fail_box("landlock_add_rule");
  }
}

void restrict_files(Reach reach) {
  const int version = landlock_version();
  if (version == 0) {
    return;
  }
  const LandlockRules wanted{file_rights(version), version >= 4 ? 3ULL : 0,
                             version >= 6 ? 3ULL : 0};
  const std::size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
  const auto rules = static_cast<int>(syscall(SYS_landlock_create_ruleset, &wanted, size, 0));
  if (rules < 0) {
    fail_box("landlock_create_ruleset");
  }
  if (reach == Reach::gpu) {
    const std::uint64_t read = kReadFile | kReadFolder;
    allow_beneath(rules, "/dev", (read | kWriteFile | kDeviceCalls) & wanted.files);
    for (const char* folder : {"/proc", "/sys", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"}) {
      const bool file = std::string_view{folder} == "/etc/ld.so.cache";
      allow_beneath(rules, folder, file ? kReadFile : read);
    }
  }
  const long restricted = syscall(SYS_landlock_restrict_self, rules, 0);
  close(rules);
  if (restricted != 0) {
    fail_box("landlock_restrict_self");
  }
}

// --- rights and limits

void limit(__rlimit_resource resource, rlim_t value) {
  rlimit now{};
  getrlimit(resource, &now);
  const rlim_t most = std::min(value, now.rlim_max);
  const rlimit both{most, most};
  if (setrlimit(resource, &both) != 0) {
    fail_box("setrlimit");
  }
}

void close_standard_descriptors() {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) {
    fail_box("/dev/null");
  }
  const int last = kSanitized ? STDOUT_FILENO : STDERR_FILENO;
  for (int descriptor = STDIN_FILENO; descriptor <= last; ++descriptor) {
    dup2(null, descriptor);
  }
  close(null);
}

void drop_rights() {
  if (geteuid() == 0 &&
      (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0)) {
    fail_box("the runner cannot give up root's rights");
  }
  // Those that a user namespace gave.
  const __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, 2> none{};
  if (syscall(SYS_capset, &header, none.data()) != 0) {
    fail_box("capset");
  }
}

// --- the filter

// What memory, threads, time and the socket need. Everything else is answered with ENOSYS, so that
// a library that tries something newer goes on without.
constexpr std::array kAllowed{"read",
                              "write",
                              "readv",
                              "writev",
                              "recvfrom",
                              "sendto",
                              "close",
                              "lseek",
                              "munmap",
                              "mremap",
                              "madvise",
                              "brk",
                              "futex",
                              "futex_waitv",
                              "futex_wait",
                              "futex_wake",
                              "futex_requeue",
                              "set_robust_list",
                              "get_robust_list",
                              "rseq",
                              "rt_sigaction",
                              "rt_sigprocmask",
                              "rt_sigreturn",
                              "sigaltstack",
                              "restart_syscall",
                              "sched_yield",
                              "sched_getaffinity",
                              "sched_getparam",
                              "sched_getscheduler",
                              "sched_get_priority_min",
                              "sched_get_priority_max",
                              "getcpu",
                              "nanosleep",
                              "clock_nanosleep",
                              "clock_gettime",
                              "clock_getres",
                              "gettimeofday",
                              "time",
                              "getpid",
                              "gettid",
                              "getrandom",
                              "getrusage",
                              "times",
                              "uname",
                              "sysinfo",
                              "membarrier",
                              "poll",
                              "ppoll",
                              "set_tid_address",
                              "exit",
                              "exit_group"};
// Libraries look for files of their own and do without them.
constexpr std::array kFiles{"open",      "openat",     "openat2",    "creat",       "stat",
                            "lstat",     "fstat",      "newfstatat", "statx",       "access",
                            "faccessat", "faccessat2", "readlink",   "readlinkat",  "getdents64",
                            "ioctl",     "fcntl",      "getcwd",     "memfd_create"};
// Nothing that reads videos has any use for these: whoever calls them was taken over.
constexpr std::array kAttacks{"execve",
                              "execveat",
                              "fork",
                              "vfork",
                              "socket",
                              "socketpair",
                              "connect",
                              "bind",
                              "listen",
                              "accept",
                              "accept4",
                              "sendmsg",
                              "recvmsg",
                              "sendmmsg",
                              "recvmmsg",
                              "ptrace",
                              "process_vm_readv",
                              "process_vm_writev",
                              "kill",
                              "tkill",
                              "rt_sigqueueinfo",
                              "rt_tgsigqueueinfo",
                              "pidfd_open",
                              "pidfd_send_signal",
                              "pidfd_getfd",
                              "process_madvise",
                              "setuid",
                              "setgid",
                              "setreuid",
                              "setregid",
                              "setresuid",
                              "setresgid",
                              "setgroups",
                              "capset",
                              "unshare",
                              "setns",
                              "chroot",
                              "pivot_root",
                              "mount",
                              "umount2",
                              "open_tree",
                              "move_mount",
                              "fsopen",
                              "fsmount",
                              "bpf",
                              "perf_event_open",
                              "io_uring_setup",
                              "io_uring_enter",
                              "io_uring_register",
                              "userfaultfd",
                              "keyctl",
                              "add_key",
                              "request_key",
                              "init_module",
                              "finit_module",
                              "delete_module",
                              "kexec_load",
                              "kexec_file_load",
                              "reboot",
                              "open_by_handle_at",
                              "name_to_handle_at",
                              "personality",
                              "modify_ldt",
                              "seccomp",
                              "acct",
                              "swapon",
                              "swapoff",
                              "quotactl",
                              "syslog",
                              "unlink",
                              "unlinkat",
                              "rename",
                              "renameat",
                              "renameat2",
                              "link",
                              "linkat",
                              "symlink",
                              "symlinkat",
                              "mkdir",
                              "mkdirat",
                              "mknod",
                              "mknodat",
                              "chmod",
                              "fchmod",
                              "fchmodat",
                              "chown",
                              "fchown",
                              "fchownat",
                              "lchown",
                              "truncate"};
// What CUDA's driver is known to need besides: its device files and their calls, events, pages that
// it makes executable.
constexpr std::array kGpu{"open",
                          "openat",
                          "stat",
                          "lstat",
                          "fstat",
                          "newfstatat",
                          "statx",
                          "access",
                          "faccessat",
                          "faccessat2",
                          "readlink",
                          "readlinkat",
                          "getdents64",
                          "ioctl",
                          "fcntl",
                          "getcwd",
                          "memfd_create",
                          "ftruncate",
                          "eventfd2",
                          "pipe2",
                          "mmap",
                          "mprotect",
                          "mlock",
                          "munlock",
                          "mincore",
                          "epoll_create1",
                          "epoll_ctl",
                          "epoll_wait",
                          "sched_setaffinity",
                          "prctl",
                          "getuid",
                          "geteuid",
                          "getgid",
                          "getegid",
                          "pread64"};

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

template <typename... Conditions>
void add_rule(const Filter& filter, std::uint32_t action, const char* call,
              Conditions... conditions) {
  const int number = seccomp_syscall_resolve_name(call);
  if (number == __NR_SCMP_ERROR) {
    return;  // unknown to this library, so it falls under the default
  }
  const int added =
      seccomp_rule_add(filter.get(), action, number, sizeof...(conditions), conditions...);
  if (added != 0 && added != -EEXIST && added != -EDOM) {
    throw std::system_error(-added, std::generic_category(),
                            fmt::format("the rule for the system call {}", call));
  }
}

scmp_arg_cmp equals(unsigned argument, scmp_datum_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp masked(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

void add_cpu_rules(const Filter& filter) {
  for (const char* call : kFiles) {
    add_rule(filter, SCMP_ACT_ERRNO(EACCES), call);
  }
  // Memory, but none that is executed; and names for threads and memory.
  add_rule(filter, SCMP_ACT_ALLOW, "mmap", masked(2, PROT_EXEC, 0));
  add_rule(filter, SCMP_ACT_ALLOW, "mprotect", masked(2, PROT_EXEC, 0));
  constexpr scmp_datum_t kSetVma = 0x53564d41;
  add_rule(filter, SCMP_ACT_ALLOW, "prctl", equals(0, PR_SET_NAME));
  add_rule(filter, SCMP_ACT_ALLOW, "prctl", equals(0, kSetVma));
}

// Fails where the kernel has no filters; then the rest of the box holds.
void filter_calls(Reach reach) {
  const Filter filter{seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), seccomp_release};
  if (!filter) {
    throw std::bad_alloc{};
  }
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  for (const char* call : kAllowed) {
    add_rule(filter, SCMP_ACT_ALLOW, call);
  }
  if (kSanitized) {
    add_rule(filter, SCMP_ACT_ALLOW, "pipe");
    add_rule(filter, SCMP_ACT_ALLOW, "pipe2");
  }
  for (const char* call : kAttacks) {
    add_rule(filter, SCMP_ACT_KILL_PROCESS, call);
  }
  if (reach == Reach::gpu) {
    for (const char* call : kGpu) {
      add_rule(filter, SCMP_ACT_ALLOW, call);
    }
  } else {
    add_cpu_rules(filter);
  }
  // Threads, no processes; clone3 takes its flags from memory, where a filter cannot look, and the
  // C library falls back to clone.
  constexpr scmp_datum_t kThread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
  constexpr scmp_datum_t kApart = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID |
                                  CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  add_rule(filter, SCMP_ACT_ALLOW, "clone", masked(0, kThread | kApart, kThread));
  for (const scmp_datum_t part : {CLONE_VM, CLONE_SIGHAND, CLONE_THREAD}) {
    add_rule(filter, SCMP_ACT_KILL_PROCESS, "clone", masked(0, part, 0));
  }
  // abort() and the like signal the process itself.
  const auto self = static_cast<scmp_datum_t>(getpid());
  add_rule(filter, SCMP_ACT_ALLOW, "tgkill", equals(0, self));
  add_rule(filter, SCMP_ACT_KILL_PROCESS, "tgkill", scmp_arg_cmp{0, SCMP_CMP_NE, self, 0});
  // Limits may be read.
  add_rule(filter, SCMP_ACT_ALLOW, "prlimit64", equals(0, 0), equals(2, 0));
  const int loaded = seccomp_load(filter.get());
  if (loaded != 0 && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0) {
    throw std::system_error(-loaded, std::generic_category(), "seccomp_load");
  }
}

}  // namespace

BoxSupport box_support() {
  BoxSupport support;
  support.filter = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
  support.landlock = landlock_version();
  const pid_t child = fork();
  if (child < 0) {
    fail_box("fork");
  }
  if (child == 0) {
    _exit(unshare_all() ? 0 : 1);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  support.namespaces = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return support;
}

std::vector<std::string> missing_in_box(const BoxSupport& support) {
  std::vector<std::string> missing;
  if (!support.filter) {
    missing.emplace_back("This kernel has no system-call filters (seccomp).");
  }
  if (support.landlock == 0) {
    missing.emplace_back("This kernel has no Landlock.");
  }
  if (!support.namespaces) {
    missing.emplace_back("Runners cannot have namespaces of their own here.");
  }
  return missing;
}

void leave_namespaces() {
  static_cast<void>(unshare_all());
}

void close_box(Reach reach, std::size_t most_memory, int parent) {
  close_standard_descriptors();
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    fail_box("PR_SET_NO_NEW_PRIVS");
  }
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_MEMLOCK, 0);
  limit(RLIMIT_MSGQUEUE, 0);
  if (!kSanitized) {
    limit(RLIMIT_DATA, most_memory);
  }
  drop_rights();
  // Both are undone by a change of user, so they come after it.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    throw std::runtime_error("the worker is gone");
  }
  restrict_files(reach);
  if (reach == Reach::nothing && !kSanitized) {
    limit(RLIMIT_NOFILE, 4);  // those that it has
  }
  filter_calls(reach);
}

}  // namespace infernode::runner
