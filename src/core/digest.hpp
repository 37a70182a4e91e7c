#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct SHA256state_st;

namespace infernode {

using Sha256Digest = std::array<std::byte, 32>;

// SHA-256 over bytes that come in pieces.
class Sha256 {
public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  // Once, after the last piece.
  Sha256Digest finish();

  // What there is so far, so that another process, on any machine, can go on: at most 104 bytes.
  std::vector<std::byte> state() const;
  // Goes on from there. Throws std::invalid_argument for what is no state.
  static Sha256 restore(std::span<const std::byte> state);

private:
  struct Free {
    void operator()(SHA256state_st* context) const;
  };
  std::unique_ptr<SHA256state_st, Free> context_;
};

// Lower-case hexadecimal.
std::string hex(std::span<const std::byte> bytes);
// Base64 with - and _ and without padding (RFC 4648, 5).
std::string base64url(std::span<const std::byte> bytes);
// Base64 with + and / and its padding (RFC 4648, 4).
std::string base64(std::string_view text);
// Back from base64 with + and / and its padding (RFC 4648, 4); nullopt for what is none.
std::optional<std::vector<std::byte>> from_base64(std::string_view text);
// 256 random bits as base64url, 43 characters, with `prefix` before them. Throws
// std::runtime_error.
std::string random_secret(std::string_view prefix);
// HMAC-SHA256 (RFC 2104). Throws std::runtime_error.
Sha256Digest hmac_sha256(std::string_view key, std::string_view text);
// Back from 64 hexadecimal digits, lower case. Throws std::invalid_argument.
Sha256Digest sha256_from_hex(std::string_view text);
// SHA-256 of a file as hexadecimal. Throws std::runtime_error.
std::string sha256_of_file(const std::filesystem::path& file);

}  // namespace infernode
