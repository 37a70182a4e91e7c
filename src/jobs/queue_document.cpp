#include "jobs/queue_document.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

json::value worker_json(const QueueState::Worker& worker) {
  json::object object{{"name", worker.name},
                      {"host", worker.host},
                      {"version", worker.version},
                      {"devices", json::value_from(worker.devices)},
                      {"models", json::value_from(worker.models)},
                      {"started_at", rfc3339(worker.started_at)},
                      {"heartbeat_at", rfc3339(worker.heartbeat_at)},
                      {"segments", worker.totals.segments},
                      {"retries", worker.totals.retries},
                      {"joules", worker.totals.joules}};
  if (worker.paused) {
    object.emplace("paused", *worker.paused);
  }
  if (worker.work) {
    object.emplace("work", json::object{{"job_id", worker.work->job.to_string()},
                                        {"pipeline", worker.work->pipeline},
                                        {"kind", to_text(worker.work->kind)},
                                        {"images", worker.work->images},
                                        {"done", worker.work->done}});
  }
  return object;
}

}  // namespace

json::object queue_json(const QueueState& queue) {
  json::array workers;
  for (const auto& worker : queue.workers) {
    workers.push_back(worker_json(worker));
  }
  return {{"jobs", json::value_from(queue.jobs)},
          {"segments", json::value_from(queue.segments)},
          {"oldest_seconds", queue.oldest_seconds},
          {"workers", std::move(workers)}};
}

}  // namespace infernode
