// Goal: a failing migration is told by the right line, and every address of a server is tried.
// Method: scripts with everything that can hide a semicolon or hold a line break; libpq's own
// reading of a conninfo.
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <map>
#include <memory>

#include "db/conninfo.hpp"
#include "db/script.hpp"

namespace infernode::db {
namespace {

using Lines = std::vector<int>;

TEST(Script, FindsWhereStatementsBegin) {
  EXPECT_EQ(statement_lines(""), Lines{});
  EXPECT_EQ(statement_lines("  ;; -- nothing;\n/* ; /* ; */ ; */"), Lines{});
  EXPECT_EQ(statement_lines("A;B;\nC"), (Lines{1, 1, 2}));
  EXPECT_EQ(statement_lines("\n\n-- x;\nA\n;\n\nB;"), (Lines{4, 7}));
}

TEST(Script, LooksIntoNoQuotes) {
  EXPECT_EQ(statement_lines("A ';\n'';';\nB"), (Lines{1, 3}));
  EXPECT_EQ(statement_lines("A \"x;\n\"\";\";\nB"), (Lines{1, 3}));
  EXPECT_EQ(statement_lines("A E'\\';\n';\nB"), (Lines{1, 3}));
  EXPECT_EQ(statement_lines("A 'back\\';\nB"), (Lines{1, 2}));
  EXPECT_EQ(statement_lines("F AS $$\nx;\ny; $$;\nB"), (Lines{1, 4}));
  EXPECT_EQ(statement_lines("F AS $a$\n$$;$b$; $a$;\nB"), (Lines{1, 3}));
  EXPECT_EQ(statement_lines("P $1;\nQ a$b$;\nR"), (Lines{1, 2, 3}));
  EXPECT_EQ(statement_lines("A 'never closed;\nB"), Lines{1});
}

TEST(Conninfo, GivesLibpqEveryAddressAndTheName) {
  const std::string name = "db's.example.org";
  const std::string given = conninfo_of({name, 5433, "me", "", "infernode"});
  const std::string text = with_hosts(given, name, {"::1", "127.0.0.1"});
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options{
      PQconninfoParse(text.c_str(), nullptr), PQconninfoFree};
  ASSERT_TRUE(options) << text;
  std::map<std::string, std::string> values;
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    values[option->keyword] = option->val == nullptr ? "" : option->val;
  }
  EXPECT_EQ(values["host"], "db's.example.org,db's.example.org");
  EXPECT_EQ(values["hostaddr"], "::1,127.0.0.1");
  EXPECT_EQ(values["port"], "5433");
}

}  // namespace
}  // namespace infernode::db
