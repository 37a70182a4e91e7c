#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/tokens.hpp"
#include "core/words.hpp"

namespace infernode {

enum class UploadState { probing, accepted, refused };
template <>
struct Words<UploadState> {
  static constexpr std::pair<UploadState, std::string_view> all[]{
      {UploadState::probing, "probing"},
      {UploadState::accepted, "accepted"},
      {UploadState::refused, "refused"}};
};

// A file that has arrived whole and is looked into while nobody waits on the line.
struct Upload {
  UploadId id;
  std::int64_t size = 0;  // bytes
  UploadState state = UploadState::probing;
  std::optional<VideoId> video;                // once accepted, while it is there
  std::optional<int> frame_count;              // once accepted
  std::optional<Tokens> cost;                  // likewise
  std::optional<boost::json::object> problem;  // once refused: the problem document
  Timestamp expires_at;                        // when it is forgotten
};

}  // namespace infernode
