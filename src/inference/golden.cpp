#include "inference/golden.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/box.hpp"

namespace infernode::inference {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostSentences = 20;

std::string described(const GoldenObject& object) {
  return fmt::format("{} {:.3f} at [{:.1f}, {:.1f}, {:.1f}, {:.1f}]", object.label,
                     object.confidence, object.box.left, object.box.top, object.box.width,
                     object.box.height);
}

}  // namespace

GoldenObject golden_object(const json::object& found) {
  const auto side = [&](std::size_t i) { return found.at("box").at(i).to_number<double>(); };
  const auto* text = found.if_contains("text");
  return {json::value_to<std::string>(found.at("label")),
          found.at("confidence").to_number<double>(),
          {side(0), side(1), side(2), side(3)},
          text == nullptr ? "" : json::value_to<std::string>(*text)};
}

std::vector<std::string> golden_differences(const Golden& golden, const json::array& found) {
  std::vector<GoldenObject> left;
  for (const auto& value : found) {
    left.push_back(golden_object(value.as_object()));
  }
  const auto is_unsure = [&](const GoldenObject& object) {
    return object.confidence < golden.confidence + golden.confidence_tolerance;
  };
  std::vector<std::string> differences;
  if (golden.objects.empty()) {
    differences.emplace_back(
        "nothing is expected in the golden picture, as of a model that finds nothing: choose one "
        "in "
        "which it finds something");
  }
  for (const auto& expected : golden.objects) {
    const auto closest =
        std::max_element(left.begin(), left.end(), [&](const auto& a, const auto& b) {
          const auto overlap = [&](const GoldenObject& object) {
            return object.label == expected.label
                       ? intersection_over_union(object.box, expected.box)
                       : -1.0;
          };
          return overlap(a) < overlap(b);
        });
    const bool is_there = closest != left.end() && closest->label == expected.label &&
                          intersection_over_union(closest->box, expected.box) >= golden.overlap;
    if (is_there &&
        std::abs(closest->confidence - expected.confidence) <= golden.confidence_tolerance) {
      if (closest->text != expected.text) {
        differences.push_back(fmt::format("{} is read as \"{}\" instead of \"{}\"",
                                          described(expected), closest->text, expected.text));
      }
      left.erase(closest);
    } else if (is_there) {
      differences.push_back(
          fmt::format("{} has the confidence {:.3f}", described(expected), closest->confidence));
      left.erase(closest);
    } else if (!is_unsure(expected)) {
      differences.push_back(fmt::format("{} is not found", described(expected)));
    }
  }
  for (const auto& object : left) {
    if (!is_unsure(object)) {
      differences.push_back(fmt::format("{} is found, and not expected", described(object)));
    }
  }
  differences.resize(std::min(differences.size(), kMostSentences));
  return differences;
}

json::object golden_from_found(const Golden& settings, const json::array& found) {
  json::array objects;
  for (const auto& value : found) {
    json::object object{{"label", value.at("label")},
                        {"confidence", value.at("confidence")},
                        {"box", value.at("box")}};
    if (const auto* text = value.as_object().if_contains("text")) {
      object.emplace("text", *text);
    }
    objects.push_back(std::move(object));
  }
  return {{"picture", settings.picture},
          {"confidence", settings.confidence},
          {"objects", std::move(objects)}};
}

}  // namespace infernode::inference
