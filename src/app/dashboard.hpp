#pragma once

#include <string_view>

#include "http/message.hpp"

namespace infernode::app {

// What a client may be sent a text as (RFC 9110, 12.5.3): "br", "gzip" or, of neither, "".
std::string_view best_coding(std::string_view accept_encoding);

// Answers with a file of the dashboard, which the binary carries compressed; `file`: the path below
// "/", "assets/index-B2xx.js". Addresses that the dashboard's script knows ("jobs/{id}") are its
// page for whoever asks for a page. not_found otherwise.
Result<http::Response> dashboard_file(const http::Request& request, std::string_view file);

}  // namespace infernode::app
