#pragma once

#include <array>
#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "media/image.hpp"
#include "tracking/zones.hpp"

namespace infernode {

// How what was found is drawn.
struct DrawingStyle {
  std::map<std::string, std::array<std::uint8_t, 3>> colours;  // RGB by label
  std::vector<tracking::Zone> zones;
  // What was found is hidden instead of being framed.
  enum class Hiding { none, blur, pixelate, fill };
  Hiding hiding = Hiding::none;
};

// As params say it (`colours`, `zones`, `anonymize`), where the pipeline's schema has the keys.
DrawingStyle drawing_style(const boost::json::object& params);

// Draws boxes of a frame of the result, or the polygon that one has, each with its keypoints, if it
// has some (those of 0.3 or more where a confidence is told), its label, likewise, and its
// confidence, or the text that it says, in a colour of its label, or with its number in a colour of
// its own where it is tracked; at a size that stays readable whatever the frame's.
void draw_boxes(media::Image& image, const boost::json::array& boxes, const DrawingStyle& style);

// Hides boxes of a frame of the result, and those that it says to hide besides (`hidden`), each
// with some of what is around it, so that nothing of what they show can be told.
void hide_boxes(media::Image& image, const boost::json::object& frame, const std::string& list,
                DrawingStyle::Hiding hiding);

// Draws the zones, each with its name and how things stand in `frame`.
void draw_zones(media::Image& image, const boost::json::object& frame, const DrawingStyle& style);

}  // namespace infernode
