#include "pipelines/faces/faces.hpp"

#include "pipelines/object_pipeline.hpp"

namespace infernode::faces {

std::unique_ptr<Pipeline> make_pipeline() {
  return std::make_unique<ObjectPipeline>("faces", "Faces with their boxes, eyes, nose and mouth",
                                          12);
}

}  // namespace infernode::faces
