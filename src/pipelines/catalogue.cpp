// Names every pipeline: the one place that adding one has to touch outside of its own folder.
#include "pipelines/classify/classify.hpp"
#include "pipelines/detect/detect.hpp"
#include "pipelines/faces/faces.hpp"
#include "pipelines/pipeline.hpp"
#include "pipelines/pose/pose.hpp"
#include "pipelines/text/text.hpp"

namespace infernode {

PipelineCatalogue::PipelineCatalogue() {
  // The first is what `infernode run` takes.
  pipelines_.push_back(detect::make_pipeline());
  pipelines_.push_back(faces::make_pipeline());
  pipelines_.push_back(pose::make_pipeline());
  pipelines_.push_back(text::make_pipeline());
  pipelines_.push_back(classify::make_pipeline());
}

}  // namespace infernode
