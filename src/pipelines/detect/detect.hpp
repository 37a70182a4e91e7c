#pragma once

#include <memory>

#include "pipelines/pipeline.hpp"

namespace infernode::detect {

// Finds objects and their boxes in each frame by itself.
std::unique_ptr<Pipeline> make_pipeline();

}  // namespace infernode::detect
