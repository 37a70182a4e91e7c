#include "results/result_document.hpp"

#include <fmt/format.h>

#include <cmath>

namespace infernode {
namespace {

namespace json = boost::json;

template <class Number>
json::object numbers_json(const std::map<std::string, Number>& numbers) {
  json::object object;
  for (const auto& [name, number] : numbers) {
    object.emplace(name, number);
  }
  return object;
}

json::array names_json(const std::set<std::string>& names) {
  json::array array;
  for (const auto& name : names) {
    array.emplace_back(name);
  }
  return array;
}

// Names that differ are all told, each once.
std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const auto& name : names) {
    text += (text.empty() ? "" : " + ") + name;
  }
  return text;
}

template <class Number>
void add_numbers(std::map<std::string, Number>& totals, const json::object& details,
                 std::string_view key) {
  if (const auto* numbers = details.if_contains(key)) {
    for (const auto& [name, number] : numbers->as_object()) {
      totals[name] += json::value_to<Number>(number);
    }
  }
}

void add_name(std::set<std::string>& names, const json::object& details, std::string_view key) {
  if (const auto* value = details.if_contains(key)) {
    names.insert(json::value_to<std::string>(*value));
  }
}

std::int64_t count_at(const json::object& object, std::string_view key) {
  const auto* count = object.if_contains(key);
  return count == nullptr ? 0 : json::value_to<std::int64_t>(*count);
}

std::set<std::string> names_at(const json::object& object, std::string_view key) {
  std::set<std::string> names;
  if (const auto* array = object.if_contains(key)) {
    for (const auto& name : array->as_array()) {
      names.insert(json::value_to<std::string>(name));
    }
  }
  return names;
}

double rounded(double value, double steps) {
  return std::round(value * steps) / steps;
}

}  // namespace

void ResultTotals::add(int segment_processed, int segment_skipped, int segment_failed,
                       const json::object& details, const energy::GridIntensity& grid,
                       const std::string& model_sha256) {
  processed += segment_processed;
  skipped += segment_skipped;
  failed += segment_failed;
  selected += segment_processed + segment_skipped + segment_failed;
  add_numbers(reasons, details, "reasons");
  add_numbers(tally, details, "tally");
  add_numbers(tally, details, "labels");  // as it was called before
  crops_left_out += count_at(details, "crops_left_out");
  add_name(energy_methods, details, "energy_method");
  add_name(runtimes, details, "runtime");
  add_name(providers, details, "provider");
  add_name(processors, details, "processor");
  add_name(builds, details, "build");
  const double segment_joules = json::value_to<double>(details.at("joules"));
  joules += segment_joules;
  if (const auto* segment_grams = details.if_contains("grams")) {
    grams += json::value_to<double>(*segment_grams);
    grids.emplace(json::value_to<std::string>(details.at("grid_source")),
                  json::value_to<double>(details.at("grid_g_per_kwh")));
  } else {
    grams += energy::grams_of(segment_joules, grid);
    grids.emplace(grid.source, grid.grams_per_kwh);
  }
  if (const auto* used = details.if_contains("models")) {
    for (const auto& model : used->as_array()) {
      models.insert(json::value_to<std::string>(model.at("sha256")));
    }
  } else {
    models.insert(model_sha256);
  }
}

json::object ResultTotals::to_json() const {
  return {{"selected", selected},
          {"processed", processed},
          {"skipped", skipped},
          {"failed", failed},
          {"joules", joules},
          {"grams", grams},
          {"reasons", numbers_json(reasons)},
          {"tally", numbers_json(tally)},
          {"crops_left_out", crops_left_out},
          {"energy_methods", names_json(energy_methods)},
          {"grids", numbers_json(grids)},
          {"models", names_json(models)},
          {"runtimes", names_json(runtimes)},
          {"providers", names_json(providers)},
          {"processors", names_json(processors)},
          {"builds", names_json(builds)}};
}

ResultTotals ResultTotals::from_json(const json::object& object) {
  ResultTotals totals;
  if (object.empty()) {
    return totals;
  }
  totals.selected = json::value_to<int>(object.at("selected"));
  totals.processed = json::value_to<int>(object.at("processed"));
  totals.skipped = json::value_to<int>(object.at("skipped"));
  totals.failed = json::value_to<int>(object.at("failed"));
  totals.joules = json::value_to<double>(object.at("joules"));
  totals.grams = json::value_to<double>(object.at("grams"));
  add_numbers(totals.reasons, object, "reasons");
  add_numbers(totals.tally, object, "tally");
  totals.crops_left_out = count_at(object, "crops_left_out");
  totals.energy_methods = names_at(object, "energy_methods");
  add_numbers(totals.grids, object, "grids");
  totals.models = names_at(object, "models");
  totals.runtimes = names_at(object, "runtimes");
  totals.providers = names_at(object, "providers");
  totals.processors = names_at(object, "processors");
  totals.builds = names_at(object, "builds");
  return totals;
}

std::optional<std::string> failure_of(const ResultTotals& totals, double max_failed) {
  const char* what = totals.reasons.contains("inference_failed")
                         ? "decoded, or the model failed on them"
                         : "decoded";
  if (totals.processed == 0) {
    return fmt::format("Not one of the selected frames could be {}.", what);
  }
  // A share that is met exactly is met whatever its rounding.
  if (totals.failed > (max_failed + 1e-9) * totals.selected) {
    return fmt::format(
        "{} of {} selected frames could not be {}, more than max_failed ({:g}) allows.",
        totals.failed, totals.selected, what, max_failed);
  }
  return std::nullopt;
}

json::object result_head(const ResultFacts& facts, const ResultTotals& totals,
                         json::object summary) {
  if (totals.crops_left_out > 0) {
    summary.emplace("crops_left_out", totals.crops_left_out);
  }
  const double rate = facts.seconds > 0 ? totals.processed / facts.seconds : 0;
  const auto* model = facts.params.as_object().if_contains("model");
  // Workers on several grids: the figure that makes these grams of these joules (3.6e6 J a kWh).
  double intensity = totals.grids.empty() ? 0 : totals.grids.begin()->second;
  std::set<std::string> sources;
  for (const auto& [source, grams_per_kwh] : totals.grids) {
    sources.insert(source);
  }
  if (sources.size() > 1 && totals.joules > 0) {
    intensity = totals.grams / totals.joules * 3.6e6;
  }
  return {{"job_id", facts.job_id},
          {"video_id", facts.video_id},
          {"pipeline", facts.params.at("pipeline")},
          {"model", model == nullptr ? json::value{} : *model},
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
                                      {"reasons", numbers_json(totals.reasons)}}},
          {"warnings", json::value_from(facts.warnings)},
          {"summary", std::move(summary)},
          {"timing", json::object{{"seconds", rounded(facts.seconds, 1e3)},
                                  {"images_per_second", rounded(rate, 1e3)}}},
          {"energy", json::object{{"joules", rounded(totals.joules, 1e3)},
                                  {"method", joined(totals.energy_methods)},
                                  {"grams_co2e", totals.grams},
                                  {"grid_g_per_kwh", intensity},
                                  {"grid_source", joined(sources)}}},
          {"provenance", json::object{{"model_sha256", joined(totals.models)},
                                      {"video_sha256", facts.video_sha256},
                                      {"build", joined(totals.builds)},
                                      {"runtime", joined(totals.runtimes)},
                                      {"providers", names_json(totals.providers)},
                                      {"processors", names_json(totals.processors)}}}};
}

DocumentEnds document_ends(const std::string& head) {
  return {head.substr(0, head.rfind('}')) + ",\"frames\":[", "]}"};
}

}  // namespace infernode
