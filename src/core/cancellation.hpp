#pragma once

#include <functional>
#include <stdexcept>
#include <utility>

namespace infernode {

// Nobody waits for the outcome any more.
class Cancelled : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// A way to end something that is under way, from another coroutine of the same single-threaded
// executor. Shared by both sides.
class Cancellation {
public:
  void cancel() {
    cancelled_ = true;
    if (const auto act = std::exchange(act_, nullptr)) {
      act();
    }
  }
  bool cancelled() const { return cancelled_; }

  // While it lives, cancel() calls `act`. One at a time.
  class Hook {
  public:
    Hook(Cancellation& owner, std::function<void()> act) : owner_{owner} {
      owner_.act_ = std::move(act);
    }
    ~Hook() { owner_.act_ = nullptr; }
    Hook(const Hook&) = delete;
    Hook& operator=(const Hook&) = delete;

  private:
    Cancellation& owner_;
  };

private:
  bool cancelled_ = false;
  std::function<void()> act_;
};

}  // namespace infernode
