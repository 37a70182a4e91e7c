#pragma once

#include <vector>

#include "jobs/segment.hpp"
#include "media/media_info.hpp"

namespace infernode {

// ceil((end_frame - start_frame) / frame_step): how many frames are selected.
int count_images(int start_frame, int end_frame, int frame_step);

// Cuts the selected frames into segments of about two seconds of work each, where possible at
// keyframes, since decoding must begin at one; each bears the keyframe that its decoding starts at.
// All together decode 2.2 times the frames from the first one's keyframe on at most, so segments
// are longer where keyframes are rare. `image_milliseconds`: what one image costs beyond decoding.
std::vector<SegmentPlan> plan_segments(int start_frame, int end_frame, int frame_step,
                                       const std::vector<media::Keyframe>& keyframes,
                                       double image_milliseconds);

// The last keyframe at or before `frame`; nullptr when there is none.
const media::Keyframe* keyframe_before(const std::vector<media::Keyframe>& keyframes, int frame);

}  // namespace infernode
