#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/tokens.hpp"
#include "core/words.hpp"

namespace infernode {

enum class UploadState { receiving, probing, priced, accepted, refused };
template <>
struct Words<UploadState> {
  static constexpr std::pair<UploadState, std::string_view> all[]{
      {UploadState::receiving, "receiving"},
      {UploadState::probing, "probing"},
      {UploadState::priced, "priced"},
      {UploadState::accepted, "accepted"},
      {UploadState::refused, "refused"}};
};

// A file that arrives in pieces, or has arrived and is looked into while nobody waits on the line.
struct Upload {
  UploadId id;
  DatasetId dataset;
  std::string name;
  std::int64_t offset = 0;  // bytes that have arrived
  std::int64_t size = 0;    // bytes of the whole file
  UploadState state = UploadState::probing;
  std::vector<VideoId> videos;                 // once accepted, those that are there still
  std::optional<int> frame_count;              // once it was looked into
  std::optional<Tokens> cost;                  // likewise
  std::optional<boost::json::object> problem;  // once refused: the problem document
  std::optional<std::string> metadata;         // of one in pieces: Upload-Metadata as it came
  bool kept = false;                           // its bytes, or those that have come
  Timestamp created_at;
  Timestamp expires_at;  // when it is forgotten, with its bytes
};

// One that is to arrive in pieces.
struct NewUpload {
  UserId user;
  DatasetId dataset;
  std::string name;
  std::int64_t size = 0;  // bytes
  bool confirm = false;   // its price is agreed to before it is paid
  std::string metadata;   // the header Upload-Metadata as it came
};

}  // namespace infernode
