#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/id.hpp"

namespace infernode {

// Writes one JSON object straight into a text, member by member, for what is asked for so often
// that a tree of values in between shows in a profile. Names are written as they are.
class JsonObjectWriter {
public:
  // Begins behind what `out` has; `out` must outlive it.
  explicit JsonObjectWriter(std::string& out) : out_{out} {}

  JsonObjectWriter& add(std::string_view name, std::string_view text);
  JsonObjectWriter& add(std::string_view name, const std::vector<std::string>& texts);
  JsonObjectWriter& add(std::string_view name, Timestamp time);
  template <class Tag>
  JsonObjectWriter& add(std::string_view name, const Id<Tag>& id) {
    return add_uuid(name, id.value);
  }
  // `number` as JSON writes it.
  JsonObjectWriter& add_number(std::string_view name, std::string_view number);
  void end() { out_ += begun_ ? "}" : "{}"; }

private:
  JsonObjectWriter& add_uuid(std::string_view name, const boost::uuids::uuid& uuid);
  void begin_member(std::string_view name);

  std::string& out_;
  bool begun_ = false;
};

}  // namespace infernode
