#pragma once

#include <memory>

#include "pipelines/pipeline.hpp"

namespace infernode::pose {

// Finds people with 17 keypoints, from nose to ankles, in each frame by itself.
std::unique_ptr<Pipeline> make_pipeline();

}  // namespace infernode::pose
