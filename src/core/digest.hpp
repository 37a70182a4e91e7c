#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

struct evp_md_ctx_st;

namespace infernode {

using Sha256Digest = std::array<std::byte, 32>;

// SHA-256 over bytes that come in pieces.
class Sha256 {
public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  // Once, after the last piece.
  Sha256Digest finish();

private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// Lower-case hexadecimal.
std::string hex(std::span<const std::byte> bytes);
// Base64 with - and _ and without padding (RFC 4648, 5).
std::string base64url(std::span<const std::byte> bytes);
// Back from 64 hexadecimal digits, lower case. Throws std::invalid_argument.
Sha256Digest sha256_from_hex(std::string_view text);
// SHA-256 of a file as hexadecimal. Throws std::runtime_error.
std::string sha256_of_file(const std::filesystem::path& file);

}  // namespace infernode
