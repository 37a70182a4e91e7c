// What requests notice of a job on all cores, and the job of them.
//
// The real server with its own PostgreSQL and one worker. Every 20 ms, whether or not the last
// answer is there, one client asks GET /users/me: on an idle machine, and while the worker does
// jobs over the example clip with images, one after the other. The client stands for one on another
// machine, so it runs at real-time priority where it may: its own waiting for a core is not
// counted. Then the same jobs without that client, by runners of the usual priority.
//
// Prints how long answers took, the ratio of the p99 to the idle one, and the rate of the jobs
// beside requests to that of the runners that yield to nobody.
//
// Usage: bench_busy [ROUNDS]
#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "core/json.hpp"
#include "measure.hpp"
#include "testing/test_server.hpp"

namespace {

using namespace infernode;  // NOLINT(google-build-using-namespace): a program, not a library
namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPace{20};
constexpr int kJobs = 6;
constexpr double kFrames = 120.0 * kJobs;

// Milliseconds that each answer took, from when its request was due if the one before was late.
std::vector<double> ask_until(test::TestUser& user, const std::stop_token& stop) {
  const sched_param priority{.sched_priority = 1};
  if (sched_setscheduler(0, SCHED_RR, &priority) != 0) {
    fmt::print("(the client waits for a core like everybody)\n");
  }
  std::vector<double> times;
  auto due = Clock::now();
  auto free = due;
  while (!stop.stop_requested()) {
    std::this_thread::sleep_until(due);
    const auto begin = free > due ? due : Clock::now();
    const auto answer = user.send("GET", "/users/me");
    if (answer.status != 200) {
      throw std::runtime_error(answer.body);
    }
    free = Clock::now();
    times.push_back(std::chrono::duration<double, std::milli>(free - begin).count());
    due += kPace;
  }
  return times;
}

// Asks on a thread of its own while `work` is done.
template <class Work>
std::vector<double> times_beside(test::TestUser& user, Work work) {
  std::vector<double> times;
  {
    const std::jthread asking{[&](const std::stop_token& stop) { times = ask_until(user, stop); }};
    work();
  }
  return times;
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values.at(static_cast<std::size_t>(static_cast<double>(values.size() - 1) * share));
}

// Frames a second over all jobs.
double run_jobs(test::TestUser& user, const std::string& video) {
  const json::object request{{"video_ids", json::array{video}},
                             {"params", json::object{{"pipeline", "detect"}, {"images", true}}}};
  const auto start = Clock::now();
  std::vector<std::string> ids;
  for (int i = 0; i < kJobs; ++i) {
    const auto accepted = user.send("POST", "/jobs", json_text(request));
    ids.push_back(test::text(json::parse(accepted.body).at("jobs").at(0), "id"));
  }
  for (const auto& id : ids) {
    for (std::string status; status != "COMPLETED";) {
      std::this_thread::sleep_for(std::chrono::milliseconds{250});
      status = test::text(json::parse(user.send("GET", "/jobs/" + id).body), "status");
      if (status == "FAILED" || status == "ABORTED") {
        throw std::runtime_error("a job ended as " + status);
      }
    }
  }
  return kFrames / std::chrono::duration<double>(Clock::now() - start).count();
}

// Gives the runners that there are the usual class and priority.
void raise_runners() {
  int raised = 0;
  for (const auto process : bench::processes_of("runner")) {
    const std::filesystem::path tasks{fmt::format("/proc/{}/task", process)};
    for (const auto& thread : std::filesystem::directory_iterator{tasks}) {
      const auto id = static_cast<id_t>(std::stol(thread.path().filename().string()));
      const sched_param usual{};
      if (sched_setscheduler(static_cast<pid_t>(id), SCHED_OTHER, &usual) != 0 ||
          setpriority(PRIO_PROCESS, id, 0) != 0) {
        throw std::runtime_error("only root may raise a runner's priority");
      }
      ++raised;
    }
  }
  if (raised == 0) {
    throw std::runtime_error("there is no runner");
  }
}

void measure(int rounds) {
  std::vector<double> idle;
  std::vector<double> busy;
  std::vector<double> yielding;
  std::vector<double> alone;
  for (int round = 0; round < rounds; ++round) {
    // Anew, since the runners' priority cannot be lowered to what it was.
    test::TestServer server{{{"INFERNODE_LOG_LEVEL", "warn"}}};
    test::TestUser user{server};
    test::TestUser reader{server};
    const auto footage = user.with_footage("busy");
    run_jobs(user, footage.video);  // warm
    for (const double time :
         times_beside(reader, [] { std::this_thread::sleep_for(std::chrono::seconds{20}); })) {
      idle.push_back(time);
    }
    for (const double time :
         times_beside(reader, [&] { yielding.push_back(run_jobs(user, footage.video)); })) {
      busy.push_back(time);
    }
    raise_runners();
    alone.push_back(run_jobs(user, footage.video));
    fmt::print("round {}: {:.1f} frames/s beside requests, {:.1f} without\n", round + 1,
               yielding.back(), alone.back());
    std::fflush(stdout);
  }
  const auto print = [](const char* what, const std::vector<double>& times) {
    fmt::print("{:<13} p50 {:.2f} ms, p90 {:.2f}, p99 {:.2f}, most {:.2f} ({} requests)\n", what,
               quantile(times, 0.5), quantile(times, 0.9), quantile(times, 0.99),
               quantile(times, 1), times.size());
  };
  fmt::print("{}", bench::processor());
  print("idle", idle);
  print("beside jobs", busy);
  fmt::print("p99 beside jobs / idle = {:.2f}\n", quantile(busy, 0.99) / quantile(idle, 0.99));
  fmt::print("jobs beside requests / runners of usual priority without = {:.2f}\n",
             bench::median(yielding) / bench::median(alone));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    measure(argc > 1 ? std::stoi(argv[1]) : 3);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
