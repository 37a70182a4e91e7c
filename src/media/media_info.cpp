#include "media/media_info.hpp"

namespace infernode::media {
namespace {

namespace json = boost::json;

template <class T>
json::value nullable(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

template <class T>
std::optional<T> element(const json::array& array, std::size_t index) {
  const auto* value = array.if_contains(index);
  return value == nullptr || value->is_null() ? std::nullopt
                                              : std::optional{json::value_to<T>(*value)};
}

}  // namespace

json::array keyframe_to_json(const Keyframe& keyframe) {
  return {keyframe.frame, keyframe.pts, nullable(keyframe.dts), nullable(keyframe.position),
          nullable(keyframe.time)};
}

Keyframe keyframe_from_json(const json::value& value) {
  const auto& array = value.as_array();
  return {json::value_to<int>(array.at(0)), json::value_to<std::int64_t>(array.at(1)),
          element<std::int64_t>(array, 2), element<std::int64_t>(array, 3),
          element<double>(array, 4)};
}

}  // namespace infernode::media
