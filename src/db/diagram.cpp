#include "db/diagram.hpp"

#include <fmt/format.h>

namespace infernode::db {
namespace {

// Mermaid takes no comma in a type, so NUMERIC(18,3) loses its numbers.
constexpr Statement kColumns{"diagram.columns", R"sql(
  SELECT class.relname AS table, attribute.attname AS column,
         CASE WHEN type.typname = 'numeric' THEN 'numeric'
              ELSE replace(replace(replace(format_type(attribute.atttypid, attribute.atttypmod),
                   'character varying', 'varchar'), 'timestamp with time zone', 'timestamptz'),
                   'double precision', 'float8') END AS type,
         EXISTS (SELECT FROM pg_constraint WHERE conrelid = class.oid AND contype = 'p'
                    AND attribute.attnum = ANY (conkey)) AS is_primary,
         EXISTS (SELECT FROM pg_constraint WHERE conrelid = class.oid AND contype = 'f'
                    AND attribute.attnum = ANY (conkey)) AS is_foreign,
         EXISTS (SELECT FROM pg_index WHERE indrelid = class.oid AND indisunique AND NOT indisprimary
                    AND indpred IS NULL AND indnkeyatts = 1 AND indkey[0] = attribute.attnum) AS is_unique,
         NOT attribute.attnotnull AS is_nullable
    FROM pg_class AS class
    JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
    JOIN pg_type AS type ON type.oid = attribute.atttypid
   WHERE class.relnamespace = 'public'::regnamespace AND class.relkind IN ('r', 'p')
     AND NOT class.relispartition
     AND class.relname NOT IN ('schema_migrations', 'seeder_migrations')
     AND attribute.attnum > 0 AND NOT attribute.attisdropped
   ORDER BY class.relname COLLATE "C", attribute.attnum
)sql"};
constexpr Statement kRelations{"diagram.relations", R"sql(
  SELECT target.relname AS target, source.relname AS source, attribute.attname AS column,
         NOT attribute.attnotnull AS is_nullable,
         EXISTS (SELECT FROM pg_index WHERE indrelid = source.oid AND indisunique AND indpred IS NULL
                    AND indnkeyatts = 1 AND indkey[0] = attribute.attnum) AS is_unique
    FROM pg_constraint
    JOIN pg_class AS source ON source.oid = conrelid
    JOIN pg_class AS target ON target.oid = confrelid
    JOIN pg_attribute AS attribute ON attribute.attrelid = conrelid AND attribute.attnum = conkey[1]
   WHERE contype = 'f' AND source.relnamespace = 'public'::regnamespace
   ORDER BY target.relname COLLATE "C", source.relname COLLATE "C", attribute.attname COLLATE "C"
)sql"};

std::string keys_of(const Row& row) {
  std::string keys;
  for (const auto& [flag, key] :
       {std::pair{"is_primary", "PK"}, {"is_foreign", "FK"}, {"is_unique", "UK"}}) {
    if (row.get<bool>(flag)) {
      keys += (keys.empty() ? " " : ", ") + std::string{key};
    }
  }
  return keys;
}

}  // namespace

asio::awaitable<std::string> schema_diagram(Connection& connection) {
  std::string text = "erDiagram\n";
  std::string table;
  const Rows columns = co_await connection.execute(kColumns);
  for (int i = 0; i < columns.size(); ++i) {
    const Row row = columns[i];
    const auto of = row.get<std::string>("table");
    if (of != table) {
      text += (table.empty() ? "" : "  }\n") + fmt::format("  \"{}\" {{\n", of);
      table = of;
    }
    text +=
        fmt::format("    {} {}{}{}\n", row.get<std::string>("type"), row.get<std::string>("column"),
                    keys_of(row), row.get<bool>("is_nullable") ? " \"nullable\"" : "");
  }
  text += table.empty() ? "" : "  }\n";
  const Rows relations = co_await connection.execute(kRelations);
  for (int i = 0; i < relations.size(); ++i) {
    const Row row = relations[i];
    text += fmt::format("  \"{}\" {}--{} \"{}\" : {}\n", row.get<std::string>("target"),
                        row.get<bool>("is_nullable") ? "|o" : "||",
                        row.get<bool>("is_unique") ? "o|" : "o{", row.get<std::string>("source"),
                        row.get<std::string>("column"));
  }
  co_return text;
}

}  // namespace infernode::db
