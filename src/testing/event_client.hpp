#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace infernode::test {

// A client of the events of a server on this machine; blocking.
class EventClient {
public:
  enum class Line { sent_events, web_socket };

  // Connects with a user's token; `after`: resumes behind that event. `path` is for sent events.
  EventClient(std::uint16_t port, Line line, const std::string& token,
              std::optional<std::int64_t> after = {}, const std::string& path = "/events");
  ~EventClient();
  EventClient(const EventClient&) = delete;
  EventClient& operator=(const EventClient&) = delete;

  // The next message; nullopt when the line has ended, or nothing came in time.
  std::optional<boost::json::object> next(std::chrono::milliseconds patience = std::chrono::seconds{
                                              10});
  // Messages until one for which `done` holds, that one included; fails the test where none comes.
  template <class Done>
  std::vector<boost::json::object> until(Done done) {
    std::vector<boost::json::object> messages;
    while (auto message = next()) {
      messages.push_back(std::move(*message));
      if (done(messages.back())) {
        return messages;
      }
    }
    tell_missing();
    return messages;
  }
  void send(const std::string& text);  // over a WebSocket
  // Whether the server ended the line, as one that nothing came on may not have been.
  bool ended() const;
  // How a WebSocket was closed (RFC 6455, 7.4.1); 0: not, or without a word. Of sent events the
  // status of the answer.
  int code() const;
  // The place that the server told at the beginning.
  std::int64_t place() const;

private:
  static void tell_missing();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace infernode::test
