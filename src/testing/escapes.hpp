#pragma once

#include <boost/json.hpp>
#include <string>

#include "runner/child/runner.hpp"

namespace infernode::test {

// How many kinds of garbage there are: "garbage 0" to "garbage 24".
constexpr int kGarbageKinds = 25;

// What a decoder that was taken over would do, once it is in the box: `words` is the name of an
// attempt and what it needs ("open /etc/passwd"). Where it is not ended by it, it throws a
// media::MediaError whose text begins with "escaped" or "refused".
boost::json::object try_to_escape(const std::string& words, const runner::RunnerParts& parts);

}  // namespace infernode::test
