// Goal: a failing migration is told by the right line.
// Method: scripts with everything that can hide a semicolon or hold a line break.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace infernode::db
