#pragma once

#include <memory>

#include "pipelines/pipeline.hpp"

namespace infernode::classify {

// Says what each frame as a whole shows: the labels that fit best, each with the frame as its box.
std::unique_ptr<Pipeline> make_pipeline();

}  // namespace infernode::classify
