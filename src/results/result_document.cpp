#include "results/result_document.hpp"

#include <cmath>

namespace infernode {
namespace {

namespace json = boost::json;

json::object counts(const std::map<std::string, std::int64_t>& numbers) {
  json::object object;
  for (const auto& [name, number] : numbers) {
    object.emplace(name, number);
  }
  return object;
}

void add_counts(std::map<std::string, std::int64_t>& totals, const json::object& details,
                const char* key) {
  if (const auto* numbers = details.if_contains(key)) {
    for (const auto& [name, number] : numbers->as_object()) {
      totals[name] += json::value_to<std::int64_t>(number);
    }
  }
}

// Machines that differ are all named, each once.
void add_name(std::string& names, const json::object& details, const char* key) {
  const auto* value = details.if_contains(key);
  const std::string name = value == nullptr ? "" : json::value_to<std::string>(*value);
  if (names.find(name) == std::string::npos) {
    names += (names.empty() ? "" : " + ") + name;
  }
}

double rounded(double value, double steps) {
  return std::round(value * steps) / steps;
}

}  // namespace

void ResultTotals::add(int segment_processed, int segment_skipped, int segment_failed,
                       double segment_joules, const json::object& details) {
  processed += segment_processed;
  skipped += segment_skipped;
  failed += segment_failed;
  selected += segment_processed + segment_skipped + segment_failed;
  joules += segment_joules;
  add_counts(reasons, details, "reasons");
  add_counts(labels, details, "labels");
  add_name(energy_method, details, "energy_method");
  add_name(runtime, details, "runtime");
}

json::object result_head(const ResultFacts& facts, const ResultTotals& totals) {
  std::int64_t objects = 0;
  for (const auto& [label, number] : totals.labels) {
    objects += number;
  }
  const double rate = facts.seconds > 0 ? totals.processed / facts.seconds : 0;
  return {{"job_id", facts.job_id},
          {"video_id", facts.video_id},
          {"pipeline", facts.params.at("pipeline")},
          {"model", facts.params.at("model")},
          {"params", facts.params},
          {"video", json::object{{"width", facts.width},
                                 {"height", facts.height},
                                 {"fps", facts.fps},
                                 {"frame_count", facts.frame_count}}},
          {"images", totals.processed},
          {"accounting", json::object{{"selected", totals.selected},
                                      {"processed", totals.processed},
                                      {"skipped", totals.skipped},
                                      {"failed", totals.failed},
                                      {"reasons", counts(totals.reasons)}}},
          {"summary", json::object{{"objects", objects}, {"labels", counts(totals.labels)}}},
          {"timing", json::object{{"seconds", rounded(facts.seconds, 1e3)},
                                  {"images_per_second", rounded(rate, 1e3)}}},
          {"energy", json::object{{"joules", rounded(totals.joules, 1e3)},
                                  {"method", totals.energy_method},
                                  {"grams_co2e", energy::grams_of(totals.joules, facts.grid)},
                                  {"grid_g_per_kwh", facts.grid.grams_per_kwh},
                                  {"grid_source", facts.grid.source}}},
          {"provenance", json::object{{"model_sha256", facts.model_sha256},
                                      {"video_sha256", facts.video_sha256},
                                      {"build", facts.build},
                                      {"runtime", totals.runtime}}}};
}

ResultFrame frame_of(const std::string& head) {
  return {head.substr(0, head.rfind('}')) + ",\"frames\":[", "]}"};
}

}  // namespace infernode
