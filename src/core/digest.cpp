#include "core/digest.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <stdexcept>
#include <vector>

namespace infernode {

namespace {

// Big endian, `count` bytes.
void put_number(std::vector<std::byte>& bytes, std::uint64_t number, int count) {
  while (count-- > 0) {
    bytes.push_back(static_cast<std::byte>(number >> (8 * count) & 0xff));
  }
}

std::uint64_t take_number(std::span<const std::byte>& bytes, std::size_t count) {
  std::uint64_t number = 0;
  for (const auto byte : bytes.first(count)) {
    number = number << 8 | std::to_integer<std::uint64_t>(byte);
  }
  bytes = bytes.subspan(count);
  return number;
}

constexpr std::size_t kStateBytes = 40;  // eight words, and how many bytes there were

}  // namespace

// OpenSSL's newer interface cannot hand out a state; this one, which it calls deprecated, can.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

void Sha256::Free::operator()(SHA256state_st* context) const {
  delete context;
}

Sha256::Sha256() : context_{new SHA256state_st{}} {
  SHA256_Init(context_.get());
}

void Sha256::update(std::span<const std::byte> bytes) {
  SHA256_Update(context_.get(), bytes.data(), bytes.size());
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest{};
  SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), context_.get());
  return digest;
}

std::vector<std::byte> Sha256::state() const {
  std::vector<std::byte> bytes;
  for (const auto word : context_->h) {
    put_number(bytes, word, 4);
  }
  put_number(bytes, std::uint64_t{context_->Nh} << 29 | context_->Nl >> 3, 8);
  const auto rest = std::as_bytes(std::span{context_->data}).first(context_->num);
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

Sha256 Sha256::restore(std::span<const std::byte> state) {
  Sha256 sha;
  auto& context = *sha.context_;
  if (state.size() < kStateBytes || state.size() >= kStateBytes + SHA256_CBLOCK) {
    throw std::invalid_argument("no state of SHA-256");
  }
  for (auto& word : context.h) {
    word = static_cast<SHA_LONG>(take_number(state, 4));
  }
  const auto count = take_number(state, 8);
  if (count % SHA256_CBLOCK != state.size()) {
    throw std::invalid_argument("no state of SHA-256");
  }
  context.Nl = static_cast<SHA_LONG>(count << 3);
  context.Nh = static_cast<SHA_LONG>(count >> 29);
  context.num = static_cast<unsigned>(state.size());
  std::copy(state.begin(), state.end(), std::as_writable_bytes(std::span{context.data}).begin());
  return sha;
}

#pragma GCC diagnostic pop

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const auto byte : bytes) {
    fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<unsigned>(byte));
  }
  return text;
}

std::string base64url(std::span<const std::byte> bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  text.erase((bytes.size() * 8 + 5) / 6);  // the padding and the closing zero
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

std::string base64(std::string_view text) {
  std::string encoded((text.size() + 2) / 3 * 4 + 1, '\0');  // and the zero that is put behind it
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  encoded.resize(static_cast<std::size_t>(length));
  return encoded;
}

std::optional<std::vector<std::byte>> from_base64(std::string_view text) {
  const auto padding = text.size() - std::min(text.find_last_not_of('=') + 1, text.size());
  const auto letters = text.substr(0, text.size() - padding);
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0 || padding > 2 || text.size() > 1'000'000 ||
      letters.find_first_not_of(kAlphabet) != std::string_view::npos) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(text.size() / 4 * 3);
  EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                  reinterpret_cast<const unsigned char*>(text.data()),
                  static_cast<int>(text.size()));
  bytes.resize(bytes.size() - padding);
  return bytes;
}

Sha256Digest sha256_from_hex(std::string_view text) {
  Sha256Digest digest{};
  if (text.size() != digest.size() * 2) {
    throw std::invalid_argument("no SHA-256");
  }
  for (std::size_t i = 0; i < digest.size(); ++i) {
    unsigned value = 0;
    const char* begin = text.data() + i * 2;
    const auto [end, error] = std::from_chars(begin, begin + 2, value, 16);
    if (error != std::errc{} || end != begin + 2) {
      throw std::invalid_argument("no SHA-256");
    }
    digest.at(i) = static_cast<std::byte>(value);
  }
  return digest;
}

std::string sha256_of_file(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  if (!in) {
    throw std::runtime_error(fmt::format("{} cannot be read", file.string()));
  }
  Sha256 sha;
  std::vector<char> buffer(256 * 1024);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), in.gcount() > 0) {
    sha.update(std::as_bytes(std::span{buffer.data(), static_cast<std::size_t>(in.gcount())}));
  }
  const auto digest = sha.finish();
  return hex(digest);
}

std::string random_secret(std::string_view prefix) {
  std::array<unsigned char, 32> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    throw std::runtime_error("there is no randomness for a secret");
  }
  return std::string{prefix} + base64url(std::as_bytes(std::span{bytes}));
}

Sha256Digest hmac_sha256(std::string_view key, std::string_view text) {
  Sha256Digest digest{};
  // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(),
           reinterpret_cast<unsigned char*>(digest.data()), nullptr) == nullptr) {
    throw std::runtime_error("a text cannot be signed");
  }
  // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
  return digest;
}

}  // namespace infernode
