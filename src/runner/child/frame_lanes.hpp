#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "pipelines/frame_task.hpp"
#include "runner/child/channel.hpp"

namespace infernode::runner {

// Decoded frames go in at one end, in order; finished ones are sent at the other, in the same
// order. In between any number of threads work on single frames. Both the queue and what waits for
// its turn are bounded, so memory does not grow with the video.
class FrameLanes {
public:
  // Gets the pictures for a video, where frames have any, in order; one at a time, by any thread.
  using OnPicture = std::function<void(const AVFrame& picture)>;

  // Both must outlive it.
  FrameLanes(const FrameTask& task, int threads, Channel& channel, OnPicture on_picture = {});
  ~FrameLanes() { close(); }
  FrameLanes(const FrameLanes&) = delete;
  FrameLanes& operator=(const FrameLanes&) = delete;

  // Waits while the queue is full. Throws what a thread threw.
  void push(media::DecodedFrame frame);
  // Waits until everything pushed was sent. Throws what a thread threw.
  void wait();
  // Likewise; it is the end.
  void finish();
  const std::map<std::string, std::int64_t>& tally() const { return tally_; }
  int sent() const { return sent_; }
  // Frames on which the model failed; they were not sent.
  int failed() const { return failed_; }
  // What the runtime said of the first of them, for the log.
  const std::string& first_failure() const { return first_failure_; }

private:
  struct Work {
    std::size_t sequence;
    media::DecodedFrame frame;
  };
  struct Finished {
    int frame;
    std::optional<FrameResult> result;  // nullopt: the model failed on it
    std::string failure{};              // as it said
  };

  void close();
  void work();
  // Sends the frames whose turn has come. The thread that holds the next one sends it, and those
  // that wait behind it; the lock keeps the order and makes a slow worker slow everyone down.
  void hand_in(std::size_t sequence, Finished finished);
  void send(const Finished& finished);

  const FrameTask& task_;
  Channel& channel_;
  OnPicture on_picture_;
  const std::size_t capacity_;  // frames between push() and their sending

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;
  std::size_t next_in_ = 0;
  std::size_t next_out_ = 0;
  bool closed_ = false;
  std::exception_ptr failure_;

  std::mutex sending_;
  std::map<std::size_t, Finished> waiting_;
  std::size_t next_to_send_ = 0;
  std::map<std::string, std::int64_t> tally_;
  int sent_ = 0;
  int failed_ = 0;
  std::string first_failure_;

  std::vector<std::thread> threads_;
};

}  // namespace infernode::runner
