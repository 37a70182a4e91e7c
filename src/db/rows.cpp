#include "db/rows.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <charconv>
#include <cstring>

namespace infernode::db {
namespace {

template <class T>
T parse(std::string_view text, const char* column) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw std::runtime_error(fmt::format("column {}: not a number: {}", column, text));
  }
  return value;
}

}  // namespace

Rows::Rows(std::shared_ptr<const pg_result> result)
    : result_{std::move(result)}, size_{PQntuples(result_.get())} {}

Row Rows::one() const {
  if (size_ != 1) {
    throw std::runtime_error(fmt::format("expected one row, got {}", size_));
  }
  return (*this)[0];
}

std::int64_t Rows::affected() const {
  const std::string_view count = PQcmdTuples(const_cast<PGresult*>(result_.get()));
  return count.empty() ? 0 : parse<std::int64_t>(count, "affected");
}

std::string_view Rows::tag() const {
  return PQcmdStatus(const_cast<PGresult*>(result_.get()));
}

std::vector<std::byte> binary(const Row& row, const char* column) {
  const auto text = row.get<std::string_view>(column);
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

// PQfnumber() would fold names to lower case as SQL does.
int Row::find(const char* column) const {
  const auto* result = rows_->result_.get();
  const int columns = PQnfields(result);
  for (int i = 0; i < columns; ++i) {
    const int at = (next_ + i) % columns;
    if (std::strcmp(PQfname(result, at), column) == 0) {
      next_ = at + 1;
      return at;
    }
  }
  throw std::runtime_error(fmt::format("the result has no column {}", column));
}

bool Row::is_null(const char* column) const {
  const int field = find(column);
  next_ = field;  // to be read now
  return PQgetisnull(rows_->result_.get(), index_, field) != 0;
}

std::string_view Row::text(const char* column) const {
  const auto* result = rows_->result_.get();
  const int field = find(column);
  if (PQgetisnull(result, index_, field) != 0) {
    throw std::runtime_error(fmt::format("column {} is null", column));
  }
  return {PQgetvalue(result, index_, field),
          static_cast<std::size_t>(PQgetlength(result, index_, field))};
}

template <>
std::string_view Row::get<std::string_view>(const char* column) const {
  return text(column);
}
template <>
std::string Row::get<std::string>(const char* column) const {
  return std::string{text(column)};
}
template <>
std::int64_t Row::get<std::int64_t>(const char* column) const {
  return parse<std::int64_t>(text(column), column);
}
template <>
int Row::get<int>(const char* column) const {
  return parse<int>(text(column), column);
}
template <>
double Row::get<double>(const char* column) const {
  return parse<double>(text(column), column);
}
template <>
bool Row::get<bool>(const char* column) const {
  return text(column) == "t";
}
template <>
Tokens Row::get<Tokens>(const char* column) const {
  return Tokens::parse(text(column)).value();
}
template <>
Timestamp Row::get<Timestamp>(const char* column) const {
  return parse_postgres_time(text(column));
}
// PostgreSQL's hex form: \x0aff.
template <>
std::vector<std::byte> Row::get<std::vector<std::byte>>(const char* column) const {
  const std::string_view hex = text(column);
  if (!hex.starts_with("\\x")) {
    throw std::runtime_error(fmt::format("column {} is no bytea", column));
  }
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::vector<std::byte> bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 2; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}
// PostgreSQL's array literal: {plain,"quo\"ted"}.
template <>
std::vector<std::string> Row::get<std::vector<std::string>>(const char* column) const {
  std::vector<std::string> items;
  std::string_view rest = text(column);
  if (rest.size() < 2) {
    throw std::runtime_error(fmt::format("column {} is no array", column));
  }
  rest = rest.substr(1, rest.size() - 2);
  bool quoted = false;
  std::string item;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '\\') {
      item += rest[++i];
    } else if (rest[i] == '"') {
      quoted = !quoted;
    } else if (rest[i] == ',' && !quoted) {
      items.push_back(std::move(item));
      item.clear();
    } else {
      item += rest[i];
    }
  }
  if (!rest.empty()) {
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace infernode::db
