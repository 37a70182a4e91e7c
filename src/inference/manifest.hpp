#pragma once

#include <boost/json.hpp>
#include <string_view>

#include "core/error.hpp"
#include "inference/model.hpp"

namespace infernode::inference {

// The manifest's JSON Schema, as /schemas/model.json publishes it.
const boost::json::value& manifest_schema();

// Reads a manifest, JSON or YAML; `file` and, unless it is given, `sha256` stay empty. `invalid`,
// with pointers into the manifest, for what does not fit the schema or contradicts itself.
Result<Model> read_manifest(std::string_view text);

}  // namespace infernode::inference
