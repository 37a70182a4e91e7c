#include "app/metrics.hpp"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <utility>
#include <vector>

#include "app/app.hpp"
#include "core/clock.hpp"
#include "core/embedded.hpp"
#include "core/log.hpp"
#include "jobs/queue_state.hpp"

namespace infernode::app {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLookInterval{5};
constexpr std::chrono::milliseconds kLagInterval{250};

// Seconds.
const prometheus::Histogram::BucketBoundaries& latencies() {
  static const prometheus::Histogram::BucketBoundaries bounds{
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  return bounds;
}

// A family whose values are read when they are asked for.
class Reading {
public:
  Reading(MetricType type, std::string name, std::string help) {
    family_.type = type;
    family_.name = std::move(name);
    family_.help = std::move(help);
  }
  Reading& add(double value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (family_.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family_.metric.push_back(std::move(metric));
    return *this;
  }
  MetricFamily take() { return std::move(family_); }

private:
  MetricFamily family_;
};

Reading gauge(std::string name, std::string help) {
  return {MetricType::Gauge, std::move(name), std::move(help)};
}
Reading counter(std::string name, std::string help) {
  return {MetricType::Counter, std::move(name), std::move(help)};
}

// The installation as its database shows it.
struct Installation {
  QueueState queue;
  Tokens held;
  std::int64_t blob_bytes = 0;
};

void add_process(std::vector<MetricFamily>& families) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  std::ifstream statm{"/proc/self/statm"};
  double pages = 0;
  double resident = 0;
  statm >> pages >> resident;
  std::error_code ignored;
  const auto files = std::distance(std::filesystem::directory_iterator{"/proc/self/fd", ignored},
                                   std::filesystem::directory_iterator{});
  families.push_back(
      counter("process_cpu_seconds_total", "CPU time of this process without its runners, seconds")
          .add(seconds(usage.ru_utime) + seconds(usage.ru_stime))
          .take());
  families.push_back(
      gauge("process_resident_memory_bytes", "Memory of this process without its runners")
          .add(resident * static_cast<double>(sysconf(_SC_PAGESIZE)))
          .take());
  families.push_back(
      gauge("process_open_fds", "Open files and sockets").add(static_cast<double>(files)).take());
}

void add_connections(std::vector<MetricFamily>& families, const http::ConnectionCounts& counts) {
  const auto number = [](std::size_t count) { return static_cast<double>(count); };
  families.push_back(gauge("infernode_http_connections", "Open connections by state")
                         .add(number(counts.idle), {{"state", "idle"}})
                         .add(number(counts.active), {{"state", "active"}})
                         .take());
  families.push_back(
      counter("infernode_http_connections_total", "Connections by what became of them at first")
          .add(number(counts.accepted), {{"outcome", "accepted"}})
          .add(number(counts.turned_away), {{"outcome", "turned_away"}})
          .take());
  families.push_back(counter("infernode_http_connections_ended_total",
                             "Connections that the server ended before their time, by reason")
                         .add(number(counts.gave_way), {{"reason", "gave_way"}})
                         .add(number(counts.late), {{"reason", "late"}})
                         .take());
}

void add_pools(std::vector<MetricFamily>& families, const App& app) {
  auto connections =
      gauge("infernode_db_connections", "Connections to the database by pool and state");
  auto waiting = gauge("infernode_db_waiting", "Who waits for a connection, by pool");
  db::PoolUse events;
  for (const auto* pool : app.events.pools()) {
    const auto use = pool->use();
    events = {events.open + use.open, events.borrowed + use.borrowed, events.waiting + use.waiting};
  }
  for (const auto& [name, use] :
       {std::pair{"main", app.database.use()}, std::pair{"bulk", app.bulk.use()},
        std::pair{"writing", app.writing.use()}, std::pair{"events", events}}) {
    connections.add(use.borrowed, {{"pool", name}, {"state", "busy"}});
    connections.add(use.open - use.borrowed, {{"pool", name}, {"state", "idle"}});
    waiting.add(use.waiting, {{"pool", name}});
  }
  families.push_back(connections.take());
  families.push_back(waiting.take());
}

void add_installation(std::vector<MetricFamily>& families, const Installation& seen) {
  auto jobs = gauge("infernode_jobs", "Jobs that have not ended, by status");
  for (const auto& [status, count] : seen.queue.jobs) {
    jobs.add(static_cast<double>(count), {{"status", status}});
  }
  families.push_back(jobs.take());
  auto segments = gauge("infernode_queue_segments",
                        "Segments by state: PENDING wait, LEASED run, BLOCKED wait for others");
  for (const auto& [state, count] : seen.queue.segments) {
    segments.add(static_cast<double>(count), {{"state", state}});
  }
  families.push_back(segments.take());
  families.push_back(
      gauge("infernode_queue_oldest_seconds", "Since the oldest job that waits was accepted")
          .add(seen.queue.oldest_seconds)
          .take());
  families.push_back(gauge("infernode_tokens_held", "Tokens on hold for jobs that have not ended")
                         .add(seen.held.to_double())
                         .take());
  families.push_back(
      gauge("infernode_blob_bytes", "What stored videos and results take up in the chunk store")
          .add(static_cast<double>(seen.blob_bytes))
          .take());
  families.push_back(gauge("infernode_workers", "Workers of the installation")
                         .add(static_cast<double>(seen.queue.workers.size()))
                         .take());
  auto images = counter("infernode_worker_images_total", "Images processed, by worker and model");
  auto done = counter("infernode_worker_segments_total", "Segments finished, by worker");
  auto retries = counter("infernode_worker_retries_total",
                         "Segments whose attempt failed, by worker; they are tried again");
  auto joules = counter("infernode_worker_joules_total", "Energy used, by worker");
  auto settled = counter("infernode_worker_tokens_settled_total", "Tokens earned, by worker");
  for (const auto& worker : seen.queue.workers) {
    const Labels name{{"worker", worker.name}};
    for (const auto& [model, count] : worker.totals.images) {
      images.add(static_cast<double>(count), {{"worker", worker.name}, {"model", model}});
    }
    done.add(static_cast<double>(worker.totals.segments), name);
    retries.add(static_cast<double>(worker.totals.retries), name);
    joules.add(worker.totals.joules, name);
    settled.add(worker.totals.settled.to_double(), name);
  }
  for (auto* family : {&images, &done, &retries, &joules, &settled}) {
    families.push_back(family->take());
  }
}

}  // namespace

struct Metrics::State {
  // A route's answers of one status, and its latencies.
  struct Series {
    prometheus::Counter* requests;
    prometheus::Histogram* seconds;
  };

  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter()
          .Name("infernode_http_requests_total")
          .Help("Requests answered, by method, route and status")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& request_seconds =
      prometheus::BuildHistogram()
          .Name("infernode_http_request_duration_seconds")
          .Help("From a request's head to the last byte of its answer, by method and route")
          .Register(registry);
  prometheus::Histogram& pool_wait = prometheus::BuildHistogram()
                                         .Name("infernode_db_wait_seconds")
                                         .Help("Waiting for a connection of the main pool")
                                         .Register(registry)
                                         .Add({}, latencies());
  prometheus::Histogram& loop_lag = prometheus::BuildHistogram()
                                        .Name("infernode_loop_lag_seconds")
                                        .Help("How late the I/O thread came to what was due")
                                        .Register(registry)
                                        .Add({}, latencies());
  // Found again by the route and the status.
  std::map<std::pair<const http::Route*, int>, Series> series;

  std::optional<Installation> seen;
  bool up = false;
  bool looking = false;
  Clock::time_point looked_at{};

  Series& series_of(const http::Route* route, int status) {
    const auto [entry, fresh] = series.try_emplace({route, status});
    if (fresh) {
      const std::string method = route == nullptr ? "other" : route->method;
      const std::string path = route == nullptr ? "none" : route->path;
      entry->second = {
          &requests.Add({{"method", method}, {"route", path}, {"status", std::to_string(status)}}),
          &request_seconds.Add({{"method", method}, {"route", path}}, latencies())};
    }
    return entry->second;
  }
};

Metrics::Metrics() : state_{std::make_unique<State>()} {}

Metrics::~Metrics() = default;

void Metrics::add_request(const http::Request& request, int status, double seconds) {
  const auto& series = state_->series_of(request.route, status);
  series.requests->Increment();
  series.seconds->Observe(seconds);
}

void Metrics::add_pool_wait(double seconds) {
  state_->pool_wait.Observe(seconds);
}

void Metrics::add_loop_lag(double seconds) {
  state_->loop_lag.Observe(seconds);
}

asio::awaitable<std::string> Metrics::text(App& app) {
  auto& state = *state_;
  if (!state.looking && Clock::now() - state.looked_at >= kLookInterval) {
    state.looking = true;
    try {
      Installation seen;
      seen.queue = co_await app.segments.look_at_queue();
      seen.held = co_await app.credits.held();
      seen.blob_bytes = co_await app.chunks.stored_bytes();
      state.seen = std::move(seen);
      state.up = true;
    } catch (const std::exception& error) {
      log::warn("the installation could not be looked at for its metrics: {}", error.what());
      state.seen.reset();
      state.up = false;
    }
    state.looked_at = Clock::now();
    state.looking = false;
  }
  auto families = state.registry.Collect();
  families.push_back(gauge("infernode_build_info", "1, of this version")
                         .add(1, {{"version", std::string{build_version()}}})
                         .take());
  families.push_back(gauge("infernode_db_up", "1 when the database answered, else 0")
                         .add(state.up ? 1 : 0)
                         .take());
  add_pools(families, app);
  if (connections) {
    add_connections(families, connections());
  }
  if (state.seen) {
    add_installation(families, *state.seen);
  }
  add_process(families);
  co_return prometheus::TextSerializer{}.Serialize(families);
}

asio::awaitable<void> watch_loop(Metrics& metrics) {
  asio::steady_timer timer{co_await asio::this_coro::executor};
  for (;;) {
    timer.expires_after(kLagInterval);
    const auto due = timer.expiry();
    co_await timer.async_wait(asio::use_awaitable);
    metrics.add_loop_lag(seconds_since(due));
  }
}

}  // namespace infernode::app
