#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/words.hpp"

// Where tracked objects are: areas that they enter and leave, lines that they cross. Pixels of the
// video as shown, y downwards.
namespace infernode::tracking {

struct Point {
  double x = 0;
  double y = 0;
};

struct Zone {
  std::string name;
  // The corners of an area, or the two ends of a line.
  std::vector<Point> points;
  bool is_line = false;
};

// Whether a point is in an area or on its edge; of one that crosses itself, by the even-odd rule.
bool holds(const std::vector<Point>& area, Point point);

// On which side of a line somebody who goes from `from` to `to` comes out, or nothing when the line
// is not crossed. Forward is from the left of the line to its right, seen from its first end
// towards its second. A point on the line belongs to its right.
enum class Crossing { forward, backward };
std::optional<Crossing> crossing(Point first, Point second, Point from, Point to);

struct SeenObject {
  int track = 0;
  std::string label;
  Point at;
};

enum class ZoneEventKind { entered, left, forward, backward };

struct ZoneEvent {
  std::size_t zone = 0;
  ZoneEventKind kind = ZoneEventKind::entered;
  int track = 0;
  std::string label;
  double seconds = 0;  // `left`: how long it had been inside
};

// Of objects of one label. For a line, `entered` is forward and `left` is backward.
struct ZoneCounts {
  std::int64_t entered = 0;
  std::int64_t left = 0;
  double dwell_seconds = 0;  // of all objects together
};

// Goes through frames in order. What is first seen inside an area enters it; whose track ends there
// does not leave it. Memory is that of the objects seen within kForgetSeconds.
class ZoneCounter {
public:
  static constexpr double kForgetSeconds = 60;

  explicit ZoneCounter(std::vector<Zone> zones)
      : zones_{std::move(zones)}, counts_(zones_.size()), inside_(zones_.size(), 0) {}

  // The next frame, at `time` in seconds. What happened since the one before.
  std::vector<ZoneEvent> push(double time, const std::vector<SeenObject>& objects);

  const std::vector<Zone>& zones() const { return zones_; }
  // By zone, then by label; labels that had nothing to do with a zone are left out.
  const std::vector<std::map<std::string, ZoneCounts>>& counts() const { return counts_; }
  // By zone: objects of the frame pushed last that are in the area.
  const std::vector<int>& inside() const { return inside_; }

private:
  struct Known {
    Point at;
    double time = 0;
    std::vector<std::optional<double>> since;  // by zone: inside since
  };
  void see(const SeenObject& object, double time, Known& known, bool is_new,
           std::vector<ZoneEvent>& events);

  std::vector<Zone> zones_;
  std::vector<std::map<std::string, ZoneCounts>> counts_;
  std::vector<int> inside_;
  std::map<int, Known> known_;  // by track
};

}  // namespace infernode::tracking

namespace infernode {

template <>
struct Words<tracking::ZoneEventKind> {
  static constexpr std::pair<tracking::ZoneEventKind, std::string_view> all[]{
      {tracking::ZoneEventKind::entered, "entered"},
      {tracking::ZoneEventKind::left, "left"},
      {tracking::ZoneEventKind::forward, "forward"},
      {tracking::ZoneEventKind::backward, "backward"}};
};

}  // namespace infernode
