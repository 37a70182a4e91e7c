#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "db/connection.hpp"

namespace infernode::db {

// The tables of the schema `public` with their columns and relations, as the catalogue has them, in
// Mermaid's erDiagram notation. Tables in the order of their names, columns in their own.
asio::awaitable<std::string> schema_diagram(Connection& connection);

}  // namespace infernode::db
