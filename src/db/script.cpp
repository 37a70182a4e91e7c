#include "db/script.hpp"

#include <algorithm>
#include <cctype>

namespace infernode::db {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

std::size_t end_of_line_comment(std::string_view sql, std::size_t at) {
  return std::min(sql.find('\n', at), sql.size());
}

// Block comments nest.
std::size_t end_of_block_comment(std::string_view sql, std::size_t at) {
  int depth = 0;
  while (at < sql.size()) {
    if (sql.substr(at, 2) == "/*") {
      ++depth;
      at += 2;
    } else if (sql.substr(at, 2) == "*/") {
      at += 2;
      if (--depth == 0) {
        return at;
      }
    } else {
      ++at;
    }
  }
  return sql.size();
}

// A doubled quote stands for itself; in an E'' string a backslash escapes.
std::size_t end_of_quoted(std::string_view sql, std::size_t at) {
  const char quote = sql[at];
  const bool escapes = quote == '\'' && at > 0 && (sql[at - 1] == 'E' || sql[at - 1] == 'e') &&
                       (at == 1 || !is_word(sql[at - 2]));
  for (++at; at < sql.size(); ++at) {
    if (escapes && sql[at] == '\\') {
      ++at;
    } else if (sql[at] == quote) {
      if (at + 1 >= sql.size() || sql[at + 1] != quote) {
        return at + 1;
      }
      ++at;
    }
  }
  return sql.size();
}

// $$...$$ or $tag$...$tag$; the place itself when no dollar quote begins there.
std::size_t end_of_dollar_quoted(std::string_view sql, std::size_t at) {
  std::size_t end = at + 1;
  while (end < sql.size() && is_word(sql[end])) {
    ++end;
  }
  const bool parameter = end > at + 1 && std::isdigit(static_cast<unsigned char>(sql[at + 1])) != 0;
  if (end >= sql.size() || sql[end] != '$' || parameter || (at > 0 && is_word(sql[at - 1]))) {
    return at;
  }
  const std::string_view tag = sql.substr(at, end + 1 - at);
  const auto close = sql.find(tag, end + 1);
  return close == std::string_view::npos ? sql.size() : close + tag.size();
}

// Behind the comment, quoted text or character that begins at `at`.
std::size_t end_of_token(std::string_view sql, std::size_t at) {
  if (sql[at] == '\'' || sql[at] == '"') {
    return end_of_quoted(sql, at);
  }
  if (sql[at] == '$') {
    return std::max(at + 1, end_of_dollar_quoted(sql, at));
  }
  return at + 1;
}

}  // namespace

std::vector<int> statement_lines(std::string_view sql) {
  std::vector<int> lines;
  int line = 1;
  bool inside = false;
  for (std::size_t at = 0; at < sql.size();) {
    std::size_t end = at + 1;
    const bool space = std::isspace(static_cast<unsigned char>(sql[at])) != 0;
    if (sql.substr(at, 2) == "--") {
      end = end_of_line_comment(sql, at);
    } else if (sql.substr(at, 2) == "/*") {
      end = end_of_block_comment(sql, at);
    } else if (sql[at] == ';') {
      inside = false;
    } else if (!space) {
      if (!inside) {
        lines.push_back(line);
        inside = true;
      }
      end = end_of_token(sql, at);
    }
    line += static_cast<int>(std::count(sql.begin() + static_cast<std::ptrdiff_t>(at),
                                        sql.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    at = end;
  }
  return lines;
}

}  // namespace infernode::db
