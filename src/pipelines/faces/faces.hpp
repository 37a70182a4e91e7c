#pragma once

#include <memory>

#include "pipelines/pipeline.hpp"

namespace infernode::faces {

// Finds faces, with eyes, ears, nose and mouth, in each frame by itself.
std::unique_ptr<Pipeline> make_pipeline();

}  // namespace infernode::faces
