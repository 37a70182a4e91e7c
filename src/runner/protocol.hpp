#pragma once

#include <cstddef>
#include <cstdint>

namespace infernode::runner {

// The conversation between a worker and its runner, over one stream socket that the runner inherits
// as descriptor 3. Every message is a header and `size` bytes; integers are in the machine's own
// byte order, since both ends are the same binary on the same machine.
//
//   worker -> runner   task   JSON: what to do
//                      data   bytes in answer to `read`; none at the source's end
//   runner -> worker   ready  JSON: the model is loaded
//                      read   ReadRequest: bytes of a source are wanted
//                      frame  FrameHeader, then the frame's JSON, then its JPEG (or nothing); of
//                             a ZIP once, the list of its files
//                      crop   CropHeader, then a JPEG: what one object of the next frame looks like
//                      video  bytes of the annotated video, in order; in the end as `video_head`
//                             those that come before all of them; of a ZIP those of its files, one
//                             after the other
//                      done   JSON: the task's outcome
//                      error  JSON {fault, detail}: the task failed; the runner waits for the next
enum class MessageType : std::uint32_t {
  task = 1,
  data,
  ready,
  read,
  frame,
  done,
  error,
  video,
  video_head,
  crop
};

struct MessageHeader {
  MessageType type;
  std::uint32_t size;
};

struct ReadRequest {
  std::int64_t offset;
  std::uint32_t max_bytes;
  std::uint32_t source;  // 0: the video of the task; others as a pipeline numbers them
};

struct FrameHeader {
  std::int32_t frame;
  std::uint32_t json_bytes;
};

struct CropHeader {
  std::int32_t frame;
  std::uint32_t object;  // its place in the frame's list, from 0; they ascend
};

// The descriptor on which a runner finds its socket.
constexpr int kRunnerDescriptor = 3;
// No `task` is larger, no `data` than what was asked for, no `ready` and `error` than this. What a
// `frame` and `done` may have, its task's limits say.
constexpr std::uint32_t kMaxTaskBytes = 64 * 1024 * 1024;
constexpr std::uint32_t kMaxErrorBytes = 64 * 1024;
// No `video` and `video_head` is larger.
constexpr std::size_t kVideoBytes = 1024 * 1024;
// How much of the video is asked for at once.
constexpr std::uint32_t kReadBytes = 512 * 1024;

}  // namespace infernode::runner
