#pragma once

#include <string>

#include "pipelines/frame_task.hpp"
#include "pipelines/pipeline.hpp"

namespace infernode::test {

// What the pipeline makes of one frame of a clip below the project's root, with the real model that
// `params` names, as the runner does it.
FrameResult result_of_frame(const Pipeline& pipeline, const boost::json::object& params,
                            const std::string& clip, int frame);

}  // namespace infernode::test
