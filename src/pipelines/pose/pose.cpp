#include "pipelines/pose/pose.hpp"

#include "pipelines/object_pipeline.hpp"

namespace infernode::pose {

std::unique_ptr<Pipeline> make_pipeline() {
  return std::make_unique<ObjectPipeline>("pose", "People with 17 keypoints, from nose to ankles",
                                          15);
}

}  // namespace infernode::pose
