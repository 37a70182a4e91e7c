#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace infernode {

// An exact amount of tokens, counted in thousandths. Amounts stay below 2^42 tokens, where doubles
// lie less than half a thousandth apart: so a JSON reader that keeps numbers as doubles (RFC 7493)
// still tells every amount from its neighbours.
class Tokens {
public:
  static constexpr std::int64_t kMaxThousandths = 4'398'046'511'103'999;

  constexpr Tokens() = default;
  static constexpr Tokens from_thousandths(std::int64_t thousandths) { return Tokens{thousandths}; }

  // Reads "12", "-0.5" or "99.205": at most three decimals, nothing around it. nullopt otherwise,
  // also when out of range.
  static std::optional<Tokens> parse(std::string_view text);

  constexpr std::int64_t thousandths() const { return thousandths_; }
  // The value as the nearest double; its shortest decimal form is exact within the range.
  double to_double() const { return static_cast<double>(thousandths_) / 1000.0; }
  // Always three decimals: "99.205", "100.000", "-0.002".
  std::string to_string() const;

  // Arithmetic throws std::overflow_error when the result leaves the range.
  friend Tokens operator+(Tokens a, Tokens b);
  friend Tokens operator-(Tokens a, Tokens b);
  friend Tokens operator*(Tokens price, std::int64_t count);
  friend constexpr Tokens operator-(Tokens a) { return Tokens{-a.thousandths_}; }
  friend constexpr auto operator<=>(Tokens, Tokens) = default;

private:
  constexpr explicit Tokens(std::int64_t thousandths) : thousandths_{thousandths} {}

  std::int64_t thousandths_ = 0;
};

}  // namespace infernode
