#pragma once

#include <map>
#include <vector>

#include "results/exports/exporter.hpp"

namespace infernode {

struct ExportedShape {
  int frame = 0;
  double time = 0;  // seconds
  double confidence = 0;
  double x = 0;  // pixels
  double y = 0;
  double width = 0;
  double height = 0;
  bool interpolated = false;
};

struct ExportedTrack {
  std::int64_t number = 0;  // 0, 1, 2 ... in the file
  std::string label;
  std::vector<ExportedShape> shapes;  // in order
};

// For formats that put together what belongs to a track. The first pass counts; each one after it
// collects as many tracks as have 200,000 boxes together, or a single longer one, which is what
// memory grows with. A box without a track is one by itself. Throws std::runtime_error for more
// tracks than any video has.
class TrackExporter : public Exporter {
public:
  std::string frame(const ExportedFrame& frame) final;
  PassEnd end_pass() final;

protected:
  virtual std::string write(const ExportedTrack& track) = 0;
  virtual std::string finish() = 0;

private:
  struct Collected {
    std::int64_t boxes = 0;
    int pass = 0;
    ExportedTrack track;
  };
  void choose_passes();

  std::map<std::int64_t, Collected> tracks_;
  std::int64_t written_ = 0;
  int pass_ = 0;
  int passes_ = 1;
};

}  // namespace infernode
