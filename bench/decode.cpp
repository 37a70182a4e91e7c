// What reading a video by segments costs beyond decoding it in one go.
//
// One go: libavcodec alone over the file in memory, one thread, every packet in and every picture
// out. By segments: the planner's own cut of a job over all frames; each segment is read from its
// keyframe on by a decoder of its own, in a container that is kept open, as runners do. Every
// tenth: the same for frame_step 10, where only selected frames are handed out; its figure is
// frames of the video a second. The video is the example clip, 40 times, H.264 with 2 B-frames and
// a keyframe every 50 frames. Rounds alternate; medians are compared.
//
// Usage: bench_decode [ROUNDS]
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "core/clock.hpp"
#include "core/process.hpp"
#include "jobs/segment_plan.hpp"
#include "measure.hpp"
#include "media/frame_reader.hpp"
#include "media/probe.hpp"
#include "pipelines/pipeline.hpp"
#include "testing/file_source.hpp"
#include "testing/test_server.hpp"

namespace {

using namespace infernode;  // NOLINT(google-build-using-namespace): a program, not a library

std::vector<std::byte> make_video() {
  const test::TemporaryFolder folder;
  const auto file = (folder.path() / "long.mp4").string();
  const auto made = run_process({"ffmpeg", "-nostdin", "-v", "error", "-stream_loop", "39", "-i",
                                 test::kClip.string(), "-c:v", "libx264", "-preset", "veryfast",
                                 "-bf", "2", "-g", "50", file});
  if (made.status != 0) {
    throw std::runtime_error("ffmpeg: " + made.output);
  }
  return test::read_file(file);
}

// Frames a second.
double one_go(const std::vector<std::byte>& video) {
  test::MemorySource source{video};
  media::Container container{source};
  const media::PacketPtr packet{av_packet_alloc()};
  const media::FramePtr frame{av_frame_alloc()};
  auto& codec = container.codec();
  int frames = 0;
  const auto started = std::chrono::steady_clock::now();
  for (bool more = true; more;) {
    more = container.read_packet(*packet);
    avcodec_send_packet(&codec, more ? packet.get() : nullptr);
    while (avcodec_receive_frame(&codec, frame.get()) >= 0) {
      ++frames;
    }
  }
  return frames / seconds_since(started);
}

double by_segments(const std::vector<std::byte>& video, const media::MediaInfo& info, int step) {
  const auto segments = plan_segments(0, info.frame_count, step, info.keyframes,
                                      PipelineCatalogue{}.find("detect")->image_milliseconds({}));
  const auto started = std::chrono::steady_clock::now();
  int selected = 0;
  test::MemorySource source{video};
  std::unique_ptr<media::Container> container;
  for (const auto& segment : segments) {
    media::FrameReader reader{source, segment.keyframe, std::exchange(container, nullptr)};
    reader.want({segment.start_frame, segment.end_frame, step});
    for (int wanted = segment.start_frame; wanted < segment.end_frame;) {
      const auto frame = reader.next();
      if (!frame) {
        break;
      }
      if (frame->index == wanted) {
        wanted += step;
        ++selected;
      }
    }
    container = reader.release();
  }
  const double seconds = seconds_since(started);
  if (selected != (info.frame_count + step - 1) / step) {
    throw std::runtime_error(fmt::format("{} frames were read", selected));
  }
  return info.frame_count / seconds;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  const auto video = make_video();
  test::MemorySource source{video};
  const auto info = media::probe(source);
  std::vector<double> bare;
  std::vector<double> cut;
  std::vector<double> tenth;
  for (int i = 0; i < rounds; ++i) {
    bare.push_back(one_go(video));
    cut.push_back(by_segments(video, info, 1));
    tenth.push_back(by_segments(video, info, 10));
  }
  std::printf("%d frames of %dx%d, %zu keyframes\n", info.frame_count, info.width, info.height,
              info.keyframes.size());
  std::printf("one go       %7.0f frames/s\n", bench::median(bare));
  std::printf("by segments  %7.0f frames/s, ratio=%.2f\n", bench::median(cut),
              bench::median(cut) / bench::median(bare));
  std::printf("every tenth  %7.0f frames/s, ratio=%.2f\n", bench::median(tenth),
              bench::median(tenth) / bench::median(bare));
  return 0;
}
