#include "pipelines/classify/classify.hpp"

#include "pipelines/object_pipeline.hpp"

namespace infernode::classify {

std::unique_ptr<Pipeline> make_pipeline() {
  return std::make_unique<ObjectPipeline>("classify", "What frames show, as a whole", 15);
}

}  // namespace infernode::classify
