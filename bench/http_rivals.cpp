#include "http_rivals.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

namespace infernode::bench {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using asio::ip::tcp;

constexpr int kConnections = 4;

// The body for a target.
using Answer = std::function<asio::awaitable<std::string>(std::string target)>;

asio::awaitable<void> converse(tcp::socket socket, const Answer& answer) {
  beast::tcp_stream stream{std::move(socket)};
  beast::flat_buffer buffer;
  for (;;) {
    bhttp::request<bhttp::empty_body> request;
    co_await bhttp::async_read(stream, buffer, request, asio::use_awaitable);
    bhttp::response<bhttp::string_body> response{bhttp::status::ok, 11};
    response.set(bhttp::field::content_type, "application/json");
    response.keep_alive(request.keep_alive());
    std::string target{request.target()};
    response.body() = co_await answer(std::move(target));
    response.prepare_payload();
    co_await bhttp::async_write(stream, response, asio::use_awaitable);
  }
}

void serve(asio::io_context& context, const Answer& answer) {
  tcp::acceptor acceptor{context, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
  fmt::print("{}\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  const auto accept = [&]() -> asio::awaitable<void> {
    for (;;) {
      tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
      socket.set_option(tcp::no_delay{true});
      asio::co_spawn(context, converse(std::move(socket), answer),
                     [](const std::exception_ptr&) {});  // the client went away
    }
  };
  asio::co_spawn(context, accept(), [](const std::exception_ptr& error) {
    if (error) {
      std::rethrow_exception(error);
    }
  });
  context.run();
}

struct Database {
  explicit Database(asio::io_context& context, const std::string& conninfo)
      : connection{PQconnectdb(conninfo.c_str()), PQfinish}, socket{context} {
    using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;
    const Result prepared{
        PQprepare(connection.get(), "user",
                  R"(SELECT "id", "email", "role", "tokens", "createdAt", "updatedAt"
                                         FROM "Users" WHERE "id" = $1)",
                  1, nullptr),
        PQclear};
    if (PQresultStatus(prepared.get()) != PGRES_COMMAND_OK) {
      throw std::runtime_error(PQerrorMessage(connection.get()));
    }
    PQsetnonblocking(connection.get(), 1);
    socket.assign(PQsocket(connection.get()));
  }
  ~Database() { socket.release(); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  std::unique_ptr<PGconn, decltype(&PQfinish)> connection;
  asio::posix::stream_descriptor socket;
};

class Databases {
public:
  Databases(asio::io_context& context, const std::string& conninfo) : context_{context} {
    for (int i = 0; i < kConnections; ++i) {
      all_.push_back(std::make_unique<Database>(context, conninfo));
      free_.push_back(all_.back().get());
    }
  }

  asio::awaitable<std::string> user(std::string id) {
    Database* database = co_await take();
    PGconn* connection = database->connection.get();
    const char* values[] = {id.c_str()};
    PQsendQueryPrepared(connection, "user", 1, values, nullptr, nullptr, 0);
    while (PQflush(connection) == 1) {
      co_await database->socket.async_wait(asio::posix::descriptor_base::wait_write,
                                           asio::use_awaitable);
    }
    while (PQisBusy(connection) == 1) {
      co_await database->socket.async_wait(asio::posix::descriptor_base::wait_read,
                                           asio::use_awaitable);
      PQconsumeInput(connection);
    }
    std::string body;
    while (PGresult* result = PQgetResult(connection)) {
      if (PQntuples(result) == 1) {
        body = fmt::format(
            R"({{"id":"{}","email":"{}","role":"{}","tokens":{},"created_at":"{}","updated_at":"{}"}})",
            PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 2),
            PQgetvalue(result, 0, 3), PQgetvalue(result, 0, 4), PQgetvalue(result, 0, 5));
      }
      PQclear(result);
    }
    give_back(database);
    co_return body;
  }

private:
  struct Waiter {
    asio::steady_timer timer;
    Database* given = nullptr;
  };

  asio::awaitable<Database*> take() {
    if (!free_.empty()) {
      Database* database = free_.back();
      free_.pop_back();
      co_return database;
    }
    Waiter waiter{asio::steady_timer{context_, asio::steady_timer::time_point::max()}};
    waiters_.push_back(&waiter);
    try {
      co_await waiter.timer.async_wait(asio::use_awaitable);
    } catch (const boost::system::system_error&) {
      // given one
    }
    co_return waiter.given;
  }
  void give_back(Database* database) {
    if (waiters_.empty()) {
      free_.push_back(database);
      return;
    }
    Waiter* next = waiters_.front();
    waiters_.pop_front();
    next->given = database;
    next->timer.cancel();
  }

  asio::io_context& context_;
  std::vector<std::unique_ptr<Database>> all_;
  std::vector<Database*> free_;
  std::deque<Waiter*> waiters_;
};

}  // namespace

void serve_constant() {
  asio::io_context context{1};
  serve(context, [](const std::string&) -> asio::awaitable<std::string> {
    co_return R"({"status":"alive"})";
  });
}

void serve_select(const std::string& conninfo) {
  asio::io_context context{1};
  Databases databases{context, conninfo};
  serve(context, [&](const std::string& target) {
    return databases.user(target.substr(target.rfind('/') + 1));
  });
}

}  // namespace infernode::bench
