#include "core/json_writer.hpp"

#include "core/json.hpp"

namespace infernode {

void JsonObjectWriter::begin_member(std::string_view name) {
  out_ += begun_ ? ",\"" : "{\"";
  begun_ = true;
  out_.append(name).append("\":");
}

JsonObjectWriter& JsonObjectWriter::add(std::string_view name, std::string_view text) {
  begin_member(name);
  append_json_string(out_, text);
  return *this;
}

JsonObjectWriter& JsonObjectWriter::add_number(std::string_view name, std::string_view number) {
  begin_member(name);
  out_ += number;
  return *this;
}

JsonObjectWriter& JsonObjectWriter::add(std::string_view name,
                                        const std::vector<std::string>& texts) {
  begin_member(name);
  out_ += '[';
  for (const auto& text : texts) {
    if (&text != texts.data()) {
      out_ += ',';
    }
    append_json_string(out_, text);
  }
  out_ += ']';
  return *this;
}

JsonObjectWriter& JsonObjectWriter::add(std::string_view name, Timestamp time) {
  begin_member(name);
  out_.append("\"").append(rfc3339(time)).append("\"");
  return *this;
}

JsonObjectWriter& JsonObjectWriter::add_uuid(std::string_view name,
                                             const boost::uuids::uuid& uuid) {
  begin_member(name);
  out_.append("\"").append(uuid_text(uuid)).append("\"");
  return *this;
}

}  // namespace infernode
