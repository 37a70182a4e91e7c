#pragma once

#include <memory>

#include "pipelines/pipeline.hpp"

namespace infernode::text {

// Finds lines of text in each frame by itself, and reads them.
std::unique_ptr<Pipeline> make_pipeline();

}  // namespace infernode::text
