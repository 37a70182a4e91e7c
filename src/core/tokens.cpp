#include "core/tokens.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <stdexcept>

namespace infernode {
namespace {

Tokens checked(bool overflow, std::int64_t thousandths) {
  if (overflow || std::abs(thousandths) > Tokens::kMaxThousandths) {
    throw std::overflow_error("an amount of tokens is out of range");
  }
  return Tokens::from_thousandths(thousandths);
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::optional<Tokens> Tokens::parse(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) {
    text.remove_prefix(1);
  }
  const auto dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  std::string decimals{dot == std::string_view::npos ? "0" : text.substr(dot + 1)};
  if (!all_digits(whole) || !all_digits(decimals) || decimals.size() > 3) {
    return std::nullopt;
  }
  decimals.resize(3, '0');
  const std::string digits = std::string{whole} + decimals;
  std::int64_t thousandths = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), thousandths);
  if (error != std::errc{} || thousandths > kMaxThousandths) {
    return std::nullopt;
  }
  return Tokens{negative ? -thousandths : thousandths};
}

std::string Tokens::to_string() const {
  const std::int64_t magnitude = std::abs(thousandths_);
  return fmt::format("{}{}.{:03}", thousandths_ < 0 ? "-" : "", magnitude / 1000, magnitude % 1000);
}

Tokens operator+(Tokens a, Tokens b) {
  std::int64_t sum = 0;
  const bool overflow = __builtin_add_overflow(a.thousandths_, b.thousandths_, &sum);
  return checked(overflow, sum);
}

Tokens operator-(Tokens a, Tokens b) {
  return a + -b;
}

Tokens operator*(Tokens price, std::int64_t count) {
  std::int64_t product = 0;
  const bool overflow = __builtin_mul_overflow(price.thousandths_, count, &product);
  return checked(overflow, product);
}

}  // namespace infernode
