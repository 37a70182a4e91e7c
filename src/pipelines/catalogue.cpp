// Names every pipeline: the one place that adding one has to touch outside of its own folder.
#include "pipelines/detect/detect.hpp"
#include "pipelines/faces/faces.hpp"
#include "pipelines/pipeline.hpp"
#include "pipelines/pose/pose.hpp"

namespace infernode {

PipelineCatalogue::PipelineCatalogue() {
  pipelines_.push_back(detect::make_pipeline());
  pipelines_.push_back(faces::make_pipeline());
  pipelines_.push_back(pose::make_pipeline());
}

}  // namespace infernode
