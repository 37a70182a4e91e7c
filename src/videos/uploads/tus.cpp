#include "videos/uploads/tus.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <charconv>
#include <new>
#include <set>

#include "core/digest.hpp"
#include "core/json.hpp"

namespace infernode::tus {
namespace {

constexpr std::size_t kMaxNameBytes = 255;

Error wrong(ErrorCode code, const char* header, const std::string& detail) {
  Error error{code, fmt::format("{} {}.", header, detail)};
  error.fields.push_back(FieldError{header, detail});
  return error;
}

Error wrong_metadata(const std::string& detail) {
  return wrong(ErrorCode::malformed, "Upload-Metadata", detail);
}

// SHA-1 and SHA-256.
class DigestChecksum : public Checksum {
public:
  DigestChecksum(const EVP_MD* algorithm, std::vector<std::byte> announced)
      : context_{EVP_MD_CTX_new(), EVP_MD_CTX_free}, announced_{std::move(announced)} {
    if (!context_ || EVP_DigestInit_ex(context_.get(), algorithm, nullptr) != 1) {
      throw std::bad_alloc{};
    }
  }
  void update(std::span<const std::byte> bytes) override {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  }
  bool holds() override {
    std::vector<std::byte> digest(EVP_MAX_MD_SIZE);
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()), &size);
    digest.resize(size);
    return digest == announced_;
  }

private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
  std::vector<std::byte> announced_;
};

// CRC-32C (Castagnoli; RFC 3720, B.4), its four bytes from the highest to the lowest.
class CrcChecksum : public Checksum {
public:
  explicit CrcChecksum(std::vector<std::byte> announced) : announced_{std::move(announced)} {}
  void update(std::span<const std::byte> bytes) override {
    crc_.process_bytes(bytes.data(), bytes.size());
  }
  bool holds() override {
    std::uint32_t announced = 0;
    for (const auto byte : announced_) {
      announced = announced << 8 | std::to_integer<std::uint32_t>(byte);
    }
    return crc_.checksum() == announced;
  }

private:
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc_;
  std::vector<std::byte> announced_;
};

std::string_view trimmed(std::string_view text) {
  const auto begin = std::min(text.find_first_not_of(" \t"), text.size());
  const auto end = text.find_last_not_of(" \t") + 1;
  return text.substr(begin, std::max(begin, end) - begin);
}

// The text of a value; nullopt for what is no base64.
std::optional<std::string> text_of(std::string_view base64) {
  const auto bytes = from_base64(base64);
  if (!bytes) {
    return std::nullopt;
  }
  return std::string{reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

bool is_name(const std::string& text) {
  return !text.empty() && is_utf8(text) && !has_control_character(text);
}

}  // namespace

Result<std::int64_t> parse_bytes(const char* name, std::string_view value) {
  std::int64_t bytes = -1;
  const auto* end = value.data() + value.size();
  const auto parsed = std::from_chars(value.data(), end, bytes);
  if (parsed.ec != std::errc{} || parsed.ptr != end || bytes < 0 || value.front() == '-') {
    return wrong(ErrorCode::malformed, name, "is a number of bytes");
  }
  return bytes;
}

Result<Metadata> parse_metadata(std::string_view value) {
  Metadata metadata;
  std::string filename;
  std::set<std::string> keys;
  while (!value.empty()) {
    const auto comma = std::min(value.find(','), value.size());
    const auto pair = trimmed(value.substr(0, comma));
    value.remove_prefix(std::min(comma + 1, value.size()));
    const auto space = std::min(pair.find(' '), pair.size());
    const std::string key{pair.substr(0, space)};
    const bool ascii =
        std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (key.empty() || !ascii || !keys.insert(key).second) {
      return wrong_metadata("has keys in ASCII, each once, and their values in base64");
    }
    const auto text = text_of(trimmed(pair.substr(space)));
    if (!text) {
      return wrong_metadata("has values in base64");
    }
    if (key == "dataset_id") {
      metadata.dataset = DatasetId::parse(*text);
      if (!metadata.dataset) {
        return wrong(ErrorCode::invalid, "Upload-Metadata",
                     "has the id of a dataset as dataset_id");
      }
    } else if (key == "name") {
      if (!is_name(*text) || text->size() > kMaxNameBytes) {
        return wrong(ErrorCode::invalid, "Upload-Metadata",
                     "has a name of 1 to 255 bytes of UTF-8 without control characters");
      }
      metadata.name = *text;
    } else if (key == "filename") {
      filename = *text;
    } else if (key == "confirm") {
      if (!text->empty() && *text != "true" && *text != "false") {
        return wrong(ErrorCode::invalid, "Upload-Metadata", "has confirm as true or false");
      }
      metadata.confirm = *text != "false";
    }
  }
  if (metadata.name.empty() && is_name(filename)) {
    metadata.name = utf8_prefix(filename, kMaxNameBytes);
  }
  return metadata;
}

Result<std::unique_ptr<Checksum>> parse_checksum(std::string_view value) {
  const auto space = std::min(value.find(' '), value.size());
  const auto algorithm = value.substr(0, space);
  auto announced = from_base64(trimmed(value.substr(space)));
  const auto is = [&](const char* name, std::size_t bytes) {
    return algorithm == name && announced && announced->size() == bytes;
  };
  if (is("sha1", 20)) {
    return std::make_unique<DigestChecksum>(EVP_sha1(), std::move(*announced));
  }
  if (is("sha256", 32)) {
    return std::make_unique<DigestChecksum>(EVP_sha256(), std::move(*announced));
  }
  if (is("crc32c", 4)) {
    return std::make_unique<CrcChecksum>(std::move(*announced));
  }
  return wrong(ErrorCode::malformed, "Upload-Checksum",
               fmt::format("is one of {} and the checksum in base64", kAlgorithms));
}

}  // namespace infernode::tus
