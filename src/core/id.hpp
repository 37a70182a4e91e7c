#pragma once

#include <boost/uuid/uuid.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace infernode {

// A UUID v4 from the system's random source.
boost::uuids::uuid random_uuid();
// Reads the 36-character form, either case; nullopt for anything else.
std::optional<boost::uuids::uuid> parse_uuid(std::string_view text);
// The lower-case 36-character form.
std::string uuid_text(const boost::uuids::uuid& uuid);

// One type per kind of id, so that two of them cannot be swapped.
template <class Tag>
struct Id {
  boost::uuids::uuid value{};

  static Id random() { return {random_uuid()}; }
  static std::optional<Id> parse(std::string_view text) {
    const auto uuid = parse_uuid(text);
    return uuid ? std::optional<Id>{Id{*uuid}} : std::nullopt;
  }
  std::string to_string() const { return uuid_text(value); }
  friend bool operator==(const Id&, const Id&) = default;
  friend bool operator<(const Id& a, const Id& b) { return a.value < b.value; }
};

using UserId = Id<struct UserTag>;
using DatasetId = Id<struct DatasetTag>;
using TagId = Id<struct TagTag>;
using VideoId = Id<struct VideoTag>;
using JobId = Id<struct JobTag>;
using UploadId = Id<struct UploadTag>;
using DeliveryId = Id<struct DeliveryTag>;
using BlobId = Id<struct BlobTag>;
using LeaseToken = Id<struct LeaseTag>;

}  // namespace infernode
