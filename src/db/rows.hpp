#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/id.hpp"
#include "core/tokens.hpp"
#include "core/words.hpp"

struct pg_result;

namespace infernode::db {

class Rows;

// One row of a result; valid as long as its Rows lives.
class Row {
public:
  Row(const Rows& rows, int index) : rows_{&rows}, index_{index} {}

  // The column of that name as T. Throws std::exception for a missing column, a NULL where T is
  // no optional, and a text that T cannot be read from.
  template <class T>
  T get(const char* column) const {
    return Reader<T>::read(*this, column);
  }

private:
  template <class T>
  struct Reader;
  template <class T>
  struct Reader<std::optional<T>> {
    static std::optional<T> read(const Row& row, const char* column) {
      return row.is_null(column) ? std::nullopt : std::optional<T>{row.get<T>(column)};
    }
  };
  template <class Tag>
  struct Reader<Id<Tag>> {
    static Id<Tag> read(const Row& row, const char* column) {
      return Id<Tag>::parse(row.text(column)).value();
    }
  };

  template <Worded E>
  struct Reader<E> {
    static E read(const Row& row, const char* column) {
      return from_text<E>(row.text(column)).value();
    }
  };

  bool is_null(const char* column) const;
  std::string_view text(const char* column) const;
  int find(const char* column) const;

  const Rows* rows_;
  int index_;
  // Columns are mostly asked for in their order: the one behind the last is looked at first.
  mutable int next_ = 0;
};

template <>
std::string Row::get<std::string>(const char* column) const;
template <>
std::string_view Row::get<std::string_view>(const char* column) const;
template <>
std::int64_t Row::get<std::int64_t>(const char* column) const;
template <>
int Row::get<int>(const char* column) const;
template <>
double Row::get<double>(const char* column) const;
template <>
bool Row::get<bool>(const char* column) const;
template <>
Tokens Row::get<Tokens>(const char* column) const;
template <>
Timestamp Row::get<Timestamp>(const char* column) const;
template <>
std::vector<std::string> Row::get<std::vector<std::string>>(const char* column) const;
// A bytea column of a result in text form.
template <>
std::vector<std::byte> Row::get<std::vector<std::byte>>(const char* column) const;

// The bytes of a bytea column of a statement with `binary_result`.
std::vector<std::byte> binary(const Row& row, const char* column);

// A statement's result; cheap to copy.
class Rows {
public:
  explicit Rows(std::shared_ptr<const pg_result> result);

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Row operator[](int index) const { return {*this, index}; }
  // The only row; throws std::runtime_error when there are none or several.
  Row one() const;
  // Every row through `from_row`.
  template <class FromRow>
  auto all(FromRow from_row) const {
    std::vector<decltype(from_row(std::declval<const Row&>()))> items;
    items.reserve(static_cast<std::size_t>(size_));
    for (int i = 0; i < size_; ++i) {
      items.push_back(from_row((*this)[i]));
    }
    return items;
  }
  // The only row through `from_row`; nullopt when there is none.
  template <class FromRow>
  auto optional(FromRow from_row) const {
    return empty() ? std::nullopt : std::optional{from_row(one())};
  }
  // Rows inserted, updated or deleted.
  std::int64_t affected() const;
  // What the statement was, as the server names it: "COMMIT", "UPDATE 3".
  std::string_view tag() const;

private:
  friend class Row;

  std::shared_ptr<const pg_result> result_;
  int size_;
};

}  // namespace infernode::db
