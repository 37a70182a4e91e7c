#include "testing/escapes.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

#include "media/container.hpp"

namespace infernode::test {
namespace {

using runner::MessageHeader;
using runner::MessageType;

[[noreturn]] void say(const std::string& text) {
  throw media::MediaError(media::MediaFault::unsupported, text);
}

// What a system call gave back.
[[noreturn]] void say_result(long result) {
  say(result < 0 ? fmt::format("refused: {}", std::strerror(errno)) : std::string{"escaped"});
}

int unix_address(const std::string& path) {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (descriptor < 0) {
    return descriptor;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

int tcp_address(int port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  if (descriptor < 0) {
    return descriptor;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

void allocate_without_end() {
  constexpr std::size_t kStep = 64 * 1024 * 1024;
  std::vector<std::unique_ptr<char[]>> held;
  for (;;) {
    held.push_back(std::make_unique_for_overwrite<char[]>(kStep));
  }
}

void spin() {
  std::atomic<std::uint64_t> count = 0;
  for (;;) {
    ++count;
  }
}

void spin_with_threads() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back(spin);
  }
  threads.front().join();
}

void ask_without_end(runner::Channel& channel) {
  for (std::int64_t offset = 0;; offset = (offset + 7) % 100) {
    const runner::ReadRequest request{offset, runner::kReadBytes, 0};
    channel.send(MessageType::read, {std::as_bytes(std::span{&request, 1})});
    channel.receive();
  }
}

void map_executable() {
  void* page =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  say_result(page == MAP_FAILED ? -1 : 0);
}

// Raw bytes on the socket. After them the runner is silent: what comes next is the parent's move.
void send_raw(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t got =
        send(runner::kRunnerDescriptor, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (got <= 0) {
      break;
    }
    sent += static_cast<std::size_t>(got);
  }
  std::this_thread::sleep_for(std::chrono::hours{1});
}

template <typename T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string message(std::uint32_t type, const std::string& payload, std::int64_t announced = -1) {
  const MessageHeader header{
      static_cast<MessageType>(type),
      static_cast<std::uint32_t>(announced < 0 ? static_cast<std::int64_t>(payload.size())
                                               : announced)};
  return bytes_of(header) + payload;
}

std::string frame(int number, std::uint32_t json_bytes, const std::string& rest) {
  return message(5, bytes_of(runner::FrameHeader{number, json_bytes}) + rest);
}

std::string read_request(std::int64_t offset, std::uint32_t bytes) {
  return message(4, bytes_of(runner::ReadRequest{offset, bytes, 0}));
}

std::string garbage(std::size_t kind) {
  const std::string jpeg = "\xff\xd8\xff\xd9";
  const std::string thumbnail = frame(0, 0, jpeg);
  const std::string info =
      R"({"width":1,"height":1,"frame_count":1,"fps":1,"duration":1,"codec":"x","rotation":0,)"
      R"("pixel_aspect":1,"warnings":[],"keyframes":)";
  const std::vector<std::string> kinds{std::string(100, 'x'),
                                       std::string(100, '\0'),
                                       message(0, ""),
                                       message(99, "x"),
                                       message(0xffffffff, "x"),
                                       message(1, R"({"op":"probe"})"),
                                       message(2, "bytes"),
                                       message(3, "{}"),
                                       message(4, "short"),
                                       message(4, std::string(100, 'x')),
                                       read_request(-1, 100),
                                       read_request(0, 0xffffffff),
                                       message(5, "short"),
                                       message(5, "", 0xffffffff),
                                       frame(0, 1000, "{}"),
                                       frame(0, 0, "<html>"),
                                       thumbnail + thumbnail,
                                       message(6, "", 0x7fffffff),
                                       message(6, "{"),
                                       message(6, "[]"),
                                       message(6, std::string(100'000, '[')),
                                       message(6, info + "[]}"),  // without its thumbnail
                                       thumbnail + message(6, info + "[[5,0],[4,0]]}"),
                                       thumbnail + message(6, R"({"width":-1})"),
                                       message(7, "{\"fault\":\"damaged\",\"detail\":\"\xff\"}")};
  static_assert(kGarbageKinds == 25);
  return kinds.at(kind);
}

}  // namespace

boost::json::object try_to_escape(const std::string& words, const runner::RunnerParts& parts) {
  std::istringstream in{words};
  std::string name;
  std::string what;
  in >> name >> what;
  using Attempt = std::function<void()>;
  const std::map<std::string, Attempt> attempts{
      {"open", [&] { say_result(open(what.c_str(), O_RDONLY)); }},
      {"open-by-path", [&] { say_result(open(what.c_str(), O_PATH)); }},
      {"write-file", [&] { say_result(open(what.c_str(), O_WRONLY | O_CREAT, 0666)); }},
      {"list", [&] { say_result(open(what.c_str(), O_RDONLY | O_DIRECTORY)); }},
      {"unlink", [&] { say_result(unlink(what.c_str())); }},
      {"connect", [&] { say_result(unix_address(what)); }},
      {"connect-tcp", [&] { say_result(tcp_address(std::stoi(what))); }},
      {"exec",
       [&] {
         const char* line[] = {"/bin/true", nullptr};
         say_result(execv("/bin/true", const_cast<char* const*>(line)));
       }},
      {"fork", [] { say_result(fork()); }},
      {"clone3-process",
       [] {
         std::uint64_t arguments[8] = {};
         arguments[4] = SIGCHLD;
         const long child = syscall(SYS_clone3, arguments, sizeof arguments);
         if (child == 0) {
           _exit(0);
         }
         say_result(child);
       }},
      {"ptrace", [] { say_result(ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr)); }},
      {"kill-parent", [] { say_result(kill(getppid(), SIGTERM)); }},
      {"signal-parent-thread",
       [] { say_result(syscall(SYS_tgkill, getppid(), getppid(), SIGTERM)); }},
      {"write-standard",
       [&] {
         for (int descriptor = 0; descriptor <= 2; ++descriptor) {
           static_cast<void>(!write(descriptor, what.data(), what.size()));
         }
         say("refused: it went nowhere");
       }},
      {"dup", [] { say_result(dup(runner::kRunnerDescriptor)); }},
      {"executable-memory", map_executable},
      {"raise-limit",
       [] {
         rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
         say_result(setrlimit(RLIMIT_DATA, &limit));
       }},
      {"outlive-parent", [] { say_result(prctl(PR_SET_PDEATHSIG, 0)); }},
      {"user-namespace", [] { say_result(unshare(CLONE_NEWUSER)); }},
      {"io-uring",
       [] {
         char parameters[128] = {};
         say_result(syscall(SYS_io_uring_setup, 1, parameters));
       }},
      {"allocate", allocate_without_end},
      {"spin", spin},
      {"spin-with-threads", spin_with_threads},
      {"sleep", [] { std::this_thread::sleep_for(std::chrono::hours{1}); }},
      {"ask-without-end", [&] { ask_without_end(parts.channel); }},
      {"garbage", [&] { send_raw(garbage(std::stoul(what))); }}};
  attempts.at(name)();
  return {};
}

}  // namespace infernode::test
