#include "tracking/zones.hpp"

#include <algorithm>

namespace infernode::tracking {
namespace {

// Twice the area of a triangle; positive where `point` lies right of the way from `a` to `b`.
double side(Point a, Point b, Point point) {
  return (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x);
}

bool is_between(double value, double a, double b) {
  return value >= std::min(a, b) && value <= std::max(a, b);
}

bool is_on_edge(Point a, Point b, Point point) {
  return side(a, b, point) == 0 && is_between(point.x, a.x, b.x) && is_between(point.y, a.y, b.y);
}

}  // namespace

bool holds(const std::vector<Point>& area, Point point) {
  bool inside = false;
  for (std::size_t i = 0, before = area.size() - 1; i < area.size(); before = i++) {
    const Point a = area[before];
    const Point b = area[i];
    if (is_on_edge(a, b, point)) {
      return true;
    }
    if ((a.y > point.y) != (b.y > point.y) &&
        point.x < a.x + (b.x - a.x) * (point.y - a.y) / (b.y - a.y)) {
      inside = !inside;
    }
  }
  return inside;
}

std::optional<Crossing> crossing(Point first, Point second, Point from, Point to) {
  const bool was_right = side(first, second, from) >= 0;
  const bool is_right = side(first, second, to) >= 0;
  if (was_right == is_right) {
    return std::nullopt;
  }
  // The ends of the line lie on different sides of the way, or on it.
  const double at_first = side(from, to, first);
  const double at_second = side(from, to, second);
  if ((at_first > 0 && at_second > 0) || (at_first < 0 && at_second < 0)) {
    return std::nullopt;
  }
  return is_right ? Crossing::forward : Crossing::backward;
}

std::vector<ZoneEvent> ZoneCounter::push(double time, const std::vector<SeenObject>& objects) {
  std::vector<ZoneEvent> events;
  std::fill(inside_.begin(), inside_.end(), 0);
  for (const auto& object : objects) {
    const auto [known, is_new] = known_.try_emplace(object.track);
    if (is_new) {
      known->second.since.resize(zones_.size());
    }
    see(object, time, known->second, is_new, events);
  }
  std::erase_if(known_,
                [time](const auto& each) { return time - each.second.time > kForgetSeconds; });
  return events;
}

void ZoneCounter::see(const SeenObject& object, double time, Known& known, bool is_new,
                      std::vector<ZoneEvent>& events) {
  for (std::size_t i = 0; i < zones_.size(); ++i) {
    const auto& zone = zones_[i];
    const auto happened = [&](ZoneEventKind kind, double seconds = 0) {
      auto& counts = counts_[i][object.label];
      ++(kind == ZoneEventKind::entered || kind == ZoneEventKind::forward ? counts.entered
                                                                          : counts.left);
      events.push_back({i, kind, object.track, object.label, seconds});
    };
    if (zone.is_line) {
      const auto crossed =
          is_new ? std::nullopt : crossing(zone.points[0], zone.points[1], known.at, object.at);
      if (crossed) {
        happened(*crossed == Crossing::forward ? ZoneEventKind::forward : ZoneEventKind::backward);
      }
      continue;
    }
    auto& since = known.since[i];
    if (since) {
      counts_[i][object.label].dwell_seconds += time - known.time;
    }
    const bool is_inside = holds(zone.points, object.at);
    inside_[i] += is_inside ? 1 : 0;
    if (is_inside && !since) {
      since = time;
      happened(ZoneEventKind::entered);
    } else if (!is_inside && since) {
      happened(ZoneEventKind::left, time - *since);
      since.reset();
    }
  }
  known.at = object.at;
  known.time = time;
}

}  // namespace infernode::tracking
