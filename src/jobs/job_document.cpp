#include "jobs/job_document.hpp"

#include "core/json.hpp"

namespace infernode {

namespace json = boost::json;

json::object job_json(const Job& job) {
  json::object object{{"id", job.id.to_string()},
                      {"dataset_id", job.dataset.to_string()},
                      {"video_id", job.video.to_string()},
                      {"status", to_text(job.status)},
                      {"priority", job.priority},
                      {"params", job.params},
                      {"progress", json::object{{"done", job.done}, {"total", job.image_count}}},
                      {"cost", json_tokens(job.cost)},
                      {"carbon_footprint", job.carbon_footprint},
                      {"energy_joules", job.energy_joules},
                      {"carbon_grams", job.carbon_grams}};
  if (job.energy_source) {
    object.emplace("energy_source", json::object{{"method", job.energy_source->method},
                                                 {"grid", job.energy_source->grid_source}});
  }
  if (job.waiting) {
    object.emplace("waiting", json::object{{"for", to_text(job.waiting->reason)},
                                           {"detail", job.waiting->detail},
                                           {"images_ahead", job.waiting->images_ahead}});
  }
  if (job.error) {
    object.emplace("error", *job.error);
  }
  object.emplace("attempt", job.attempt);
  object.emplace("created_at", rfc3339(job.created_at));
  object.emplace("updated_at", rfc3339(job.updated_at));
  if (job.started_at) {
    object.emplace("started_at", rfc3339(*job.started_at));
  }
  if (job.finished_at) {
    object.emplace("finished_at", rfc3339(*job.finished_at));
  }
  return object;
}

}  // namespace infernode
