#pragma once

#include <string_view>
#include <utility>

#include "core/words.hpp"

namespace infernode::runner {

// Why a task cannot be done.
enum class Fault {
  not_a_video,
  damaged,
  unsupported,  // these three are in the video: another attempt would not help
  model,        // it does not fit its manifest: nor here
  internal,     // the rest
};

}  // namespace infernode::runner

namespace infernode {

template <>
struct Words<runner::Fault> {
  static constexpr std::pair<runner::Fault, std::string_view> all[]{
      {runner::Fault::not_a_video, "not_a_video"},
      {runner::Fault::damaged, "damaged"},
      {runner::Fault::unsupported, "unsupported"},
      {runner::Fault::model, "model"},
      {runner::Fault::internal, "internal"}};
};

}  // namespace infernode
