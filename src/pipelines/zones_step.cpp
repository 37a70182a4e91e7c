#include "pipelines/zones_step.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "pipelines/pipeline.hpp"

namespace infernode {
namespace {

namespace json = boost::json;

double milliseconds(double seconds) {
  return std::round(seconds * 1e3) / 1e3;
}

tracking::Point point_of(const json::value& pair) {
  return {pair.at(0).to_number<double>(), pair.at(1).to_number<double>()};
}

std::string label_or(const json::object& box, const std::string& fallback) {
  const auto* label = box.if_contains("label");
  return label == nullptr ? fallback : json::value_to<std::string>(*label);
}

// Nobody is where none of the picture is.
bool lies_outside(const tracking::Zone& zone, double width, double height) {
  const auto all = [&](auto&& is_there) {
    return std::all_of(zone.points.begin(), zone.points.end(), is_there);
  };
  return all([](const auto& point) { return point.x < 0; }) ||
         all([](const auto& point) { return point.y < 0; }) ||
         all([&](const auto& point) { return point.x > width; }) ||
         all([&](const auto& point) { return point.y > height; });
}

class ZonesStep : public SequenceStep {
public:
  ZonesStep(std::string list, std::vector<tracking::Zone> zones)
      : list_{std::move(list)}, counter_{std::move(zones)} {}

  std::vector<json::object> push(json::object frame) override {
    std::vector<tracking::SeenObject> seen;
    for (const auto& value : frame.at(list_).as_array()) {
      const auto& box = value.as_object();
      const auto* id = box.if_contains("track_id");
      if (id != nullptr) {
        const auto& sides = box.at("box").as_array();
        const auto side = [&](std::size_t i) { return sides.at(i).to_number<double>(); };
        seen.push_back({json::value_to<int>(*id),
                        label_or(box, list_),
                        {side(0) + side(2) / 2, side(1) + side(3)}});
      }
    }
    const auto events = counter_.push(frame.at("time").to_number<double>(), seen);
    if (!events.empty()) {
      json::array told;
      for (const auto& event : events) {
        told.push_back(event_json(event));
      }
      frame.insert_or_assign("events", std::move(told));
    }
    frame.insert_or_assign("zones", state());
    std::vector<json::object> finished;
    finished.push_back(std::move(frame));
    return finished;
  }

  json::object summary() const override {
    json::object zones;
    for (std::size_t i = 0; i < counter_.zones().size(); ++i) {
      const auto& zone = counter_.zones()[i];
      json::object labels;
      for (const auto& [label, counts] : counter_.counts()[i]) {
        json::object object{{"entered", counts.entered},
                            {"left", counts.left},
                            {"dwell_seconds", milliseconds(counts.dwell_seconds)}};
        if (zone.is_line) {
          object.emplace("forward", counts.entered);
          object.emplace("backward", counts.left);
        }
        labels.emplace(label, std::move(object));
      }
      zones.emplace(zone.name, std::move(labels));
    }
    return {{"zones", std::move(zones)}};
  }

private:
  json::object event_json(const tracking::ZoneEvent& event) const {
    json::object object{{"zone", counter_.zones()[event.zone].name},
                        {"event", to_text(event.kind)},
                        {"track_id", event.track},
                        {"label", event.label}};
    if (event.kind == tracking::ZoneEventKind::left) {
      object.emplace("seconds", milliseconds(event.seconds));
    }
    return object;
  }

  // Of an area, how many are in it; of a line, how many have crossed it so far.
  json::object state() const {
    json::object zones;
    for (std::size_t i = 0; i < counter_.zones().size(); ++i) {
      const auto& zone = counter_.zones()[i];
      if (!zone.is_line) {
        zones.emplace(zone.name, json::object{{"inside", counter_.inside()[i]}});
        continue;
      }
      std::int64_t forward = 0;
      std::int64_t backward = 0;
      for (const auto& [label, counts] : counter_.counts()[i]) {
        forward += counts.entered;
        backward += counts.left;
      }
      zones.emplace(zone.name, json::object{{"forward", forward}, {"backward", backward}});
    }
    return zones;
  }

  std::string list_;
  tracking::ZoneCounter counter_;
};

}  // namespace

std::vector<tracking::Zone> zones_of(const json::object& params) {
  std::vector<tracking::Zone> zones;
  const auto* list = params.if_contains("zones");  // none in jobs of older versions
  if (list == nullptr) {
    return zones;
  }
  for (const auto& value : list->as_array()) {
    const auto& object = value.as_object();
    tracking::Zone zone;
    zone.name = json::value_to<std::string>(object.at("name"));
    zone.is_line = object.contains("line");
    for (const auto& pair : object.at(zone.is_line ? "line" : "polygon").as_array()) {
      zone.points.push_back(point_of(pair));
    }
    zones.push_back(std::move(zone));
  }
  return zones;
}

Result<void> check_zones(const json::object& params, int width, int height) {
  const auto* list = params.if_contains("zones");
  if (list == nullptr || list->as_array().empty()) {
    return {};
  }
  std::set<std::string> names;
  std::size_t position = 0;
  for (const auto& value : list->as_array()) {
    const auto& zone = value.as_object();
    const std::string key = fmt::format("zones/{}", position++);
    if (zone.contains("polygon") == zone.contains("line")) {
      return invalid_param(key, "give either a polygon or a line");
    }
    if (!names.insert(json::value_to<std::string>(zone.at("name"))).second) {
      return invalid_param(key + "/name", "another zone has this name");
    }
    if (const auto* line = zone.if_contains("line")) {
      const auto first = point_of(line->at(0));
      const auto second = point_of(line->at(1));
      if (first.x == second.x && first.y == second.y) {
        return invalid_param(key + "/line", "its two ends must differ");
      }
    }
  }
  position = 0;
  for (const auto& zone : zones_of(params)) {
    const auto key = fmt::format("zones/{}", position++);
    if (width > 0 && lies_outside(zone, width, height)) {
      return invalid_param(
          key,
          fmt::format("lies outside of the picture, which has {} by {} pixels", width, height));
    }
  }
  if (!is_tracked(params)) {
    return invalid_param("zones", "needs \"track\": true, since what is counted is who goes where");
  }
  return {};
}

std::unique_ptr<SequenceStep> make_zones_step(std::string list, std::vector<tracking::Zone> zones) {
  return std::make_unique<ZonesStep>(std::move(list), std::move(zones));
}

}  // namespace infernode
