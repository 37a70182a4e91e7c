#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipelines/pipeline.hpp"

namespace infernode {

class ObjectFinder;

// A pipeline that finds objects in each frame by itself: a label, a confidence, a box and, where
// its model has them, keypoints by name. They can be followed, counted in zones and hidden.
class ObjectPipeline : public Pipeline {
public:
  // `image_milliseconds`: inference and drawing of one frame of ordinary size, on one core.
  ObjectPipeline(std::string name, std::string description, double image_milliseconds);

  double image_milliseconds(const boost::json::object& /*params*/) const override {
    return image_milliseconds_;
  }
  // What finds the objects, one a thread. `models` must outlive it. Throws std::exception.
  virtual std::unique_ptr<ObjectFinder> finder(const boost::json::object& params,
                                               const inference::RunnerModels& models) const;
  std::unique_ptr<FrameTask> open(const boost::json::object& params,
                                  const inference::RunnerModels& models) const override;
  std::unique_ptr<FramePainter> painter(const boost::json::object& params) const override;
  boost::json::object summary(const boost::json::object& tally) const override;

protected:
  // The labels that the params keep; all if empty.
  virtual std::vector<std::string> kept_labels(const boost::json::object& /*params*/) const {
    return {};
  }
  Result<void> check_resolved(const boost::json::object& /*params*/,
                              const inference::Model* /*model*/) const override {
    return {};
  }

private:
  double image_milliseconds_;
};

}  // namespace infernode
