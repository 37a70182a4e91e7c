#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace infernode::http {

// A request line and its fields may have so many bytes.
constexpr std::size_t kMaxHeadBytes = 16 * 1024;
constexpr std::size_t kMaxTargetBytes = 8 * 1024;

// Why a request is none that can be answered, and with what.
struct HeadFault {
  int status = 400;
  std::string detail;
};

// Where the head in `received` ends: behind its empty line, or nullopt when that has not come yet.
// `from`: what was looked at before.
std::optional<std::size_t> head_end(std::string_view received, std::size_t from);

// What is wrong with a head, or with the beginning of one, as RFC 9112 has it; nullopt when nothing
// is. Read strictly, since what proxies and servers read differently lets requests be smuggled:
// lines end in CRLF, fields are not folded, there is one Host, the body's length is said once.
std::optional<HeadFault> fault_of_head(std::string_view head);
// Of a head that is not whole yet: what no more bytes can mend.
std::optional<HeadFault> fault_of_beginning(std::string_view received);

// The path and query of a target (RFC 9112, 3.2): of "http://host/path?x" those behind the host.
std::string_view origin_form(std::string_view target);

}  // namespace infernode::http
