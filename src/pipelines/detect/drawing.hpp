#pragma once

#include <boost/json.hpp>

#include "media/image.hpp"

namespace infernode::detect {

// Draws each object of a frame of the result: its box with label and confidence in a colour of its
// class, or with its number in a colour of its own where it is tracked; at a size that stays
// readable whatever the frame's.
void draw_objects(media::Image& image, const boost::json::object& frame);

}  // namespace infernode::detect
