#include "targets.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <stdexcept>

#include "core/json.hpp"
#include "http/chunked_decoder.hpp"
#include "http/multipart.hpp"
#include "http/request_head.hpp"
#include "inference/manifest.hpp"
#include "inference/preprocessing.hpp"
#include "media/frame_reader.hpp"
#include "media/probe.hpp"
#include "media/zip_reader.hpp"
#include "results/image_index.hpp"
#include "runner/protocol.hpp"
#include "testing/file_source.hpp"
#include "videos/uploads/tus.hpp"
#include "worker/segment_run.hpp"

namespace infernode::fuzz {
namespace {

namespace json = boost::json;
using Bytes = std::span<const std::byte>;

void require(bool held, const char* what) {
  if (!held) {
    throw std::logic_error(what);
  }
}

// A video: what is found in it can be read again from the last keyframe on.
void probe(Bytes bytes) {
  test::MemorySource source{{bytes.begin(), bytes.end()}};
  try {
    const auto info = media::probe(source);
    require(info.frame_count > 0 && info.width > 0 && info.height > 0, "a video without frames");
    media::FrameReader reader{
        source, info.keyframes.empty() ? std::nullopt : std::optional{info.keyframes.back()}};
    reader.want({0, info.frame_count, 3});
    int last = -1;
    for (int frames = 0; frames < 3; ++frames) {
      const auto frame = reader.next();
      if (!frame) {
        break;
      }
      require(frame->index > last, "frames that do not ascend");
      last = frame->index;
    }
  } catch (const media::MediaError&) {
  }
}

class NoSink : public ByteSink {
public:
  asio::awaitable<void> write(std::vector<std::byte>) override { co_return; }
};

// What a runner says, from its first byte on, to a worker that has a segment of five frames done.
void runner_messages(Bytes bytes) {
  int ends[2];
  require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  // More than that does not wait in a socket without being read.
  const auto said = bytes.first(std::min<std::size_t>(bytes.size(), 64 * 1024));
  require(
      send(ends[1], said.data(), said.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(said.size()),
      "send");
  shutdown(ends[1], SHUT_WR);
  {
    asio::io_context context{1};
    runner::RunnerProcess process{context.get_executor(),
                                  runner::RunnerProcess::Connected{ends[0]}};
    NoSink images;
    NoSink frames;
    ResultRecorder recorder{images, frames};
    const SegmentWork work{{{"pipeline", "detect"}}, {10, 20, 5, std::nullopt}, 1000, 64, 48, 1};
    const auto body = [&]() -> asio::awaitable<void> {
      runner::SourceReader read = [](std::uint32_t, std::int64_t,
                                     std::size_t) -> asio::awaitable<std::vector<std::byte>> {
        co_return std::vector<std::byte>(8);
      };
      std::function<void()> on_frame = [] {};
      EnergySettings energy;
      try {
        const auto outcome =
            co_await run_segment(process, work, std::move(read), recorder, energy, on_frame);
        require(outcome.processed + outcome.failed + outcome.skipped == 5 &&
                    outcome.processed == recorder.frames(),
                "an outcome that does not add up");
      } catch (const runner::TaskFailed&) {
      } catch (const runner::RunnerCrashed&) {
      } catch (const runner::RunnerNotStarted&) {
      }
    };
    std::exception_ptr failure;
    asio::co_spawn(context, body(), [&](std::exception_ptr error) { failure = std::move(error); });
    context.run();
    if (failure) {
      std::rethrow_exception(failure);
    }
  }
  close(ends[1]);
}

// What a segment stored says of its images; it comes out as it went in.
void image_index(Bytes bytes) {
  try {
    const auto images = read_index(bytes);
    std::vector<std::byte> again;
    for (const auto& image : images) {
      append_to_index(again, image);
      zip_entry(image, image.offset);
    }
    require(std::equal(bytes.begin(), bytes.end(), again.begin(), again.end()),
            "an index that changes");
  } catch (const std::runtime_error&) {
  }
}

// A form, fed in pieces that its first byte says, with the boundary "b".
void multipart(Bytes bytes) {
  if (bytes.empty()) {
    return;
  }
  const std::size_t piece = 1 + std::to_integer<std::size_t>(bytes.front());
  auto rest = bytes.subspan(1);
  std::size_t given = 0;
  http::MultipartParser parser{"b"};
  for (;;) {
    const auto event = parser.next();
    if (!event || *event == http::MultipartParser::Event::end) {
      break;
    }
    if (*event == http::MultipartParser::Event::need_more) {
      if (rest.empty()) {
        require(parser.finish().has_value(), "a form without end that is whole");
        break;
      }
      const auto next = rest.first(std::min(piece, rest.size()));
      parser.feed(next);
      rest = rest.subspan(next.size());
    } else if (*event == http::MultipartParser::Event::data) {
      given += parser.take_data().size();
    } else if (*event == http::MultipartParser::Event::part) {
      const auto& name = parser.header().filename;
      require(!is_utf8(name) || !has_control_character(name),
              "a file's name of control characters");
    }
  }
  require(given <= bytes.size(), "more data than there was");
}

// A request's head, as it comes and whole; what is sound has a path that can be had.
void request_head(Bytes bytes) {
  const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  const auto end = http::head_end(text, text.size() / 2);
  const auto early = http::fault_of_beginning(text.substr(0, text.size() / 2));
  if (!end && !http::head_end(text, 0)) {
    http::fault_of_beginning(text);
    return;
  }
  const auto whole = text.substr(0, *http::head_end(text, 0));
  const auto fault = http::fault_of_head(whole);
  require(fault || whole.size() <= http::kMaxHeadBytes, "a head that is too large");
  require(fault || !early || text.size() / 2 > whole.size(), "a fault that mends itself");
  if (!fault) {
    const auto first = whole.find(' ') + 1;
    require(!http::parse_target(whole.substr(first, whole.find(' ', first) - first)).path.empty(),
            "a target without a path");
  }
}

// A chunked body is the same whatever the pieces that it comes in.
void chunked_body(Bytes bytes) {
  const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  const auto content_of = [text](std::size_t piece) -> std::optional<std::string> {
    http::ChunkedDecoder decoder;
    std::string content;
    std::array<std::byte, 64> target{};
    try {
      for (std::size_t at = 0; at < text.size() && !decoder.done();) {
        const auto step = decoder.decode(text.substr(at, piece), target);
        require(step.taken > 0 || step.given > 0, "a step that goes nowhere");
        content.append(reinterpret_cast<const char*>(target.data()), step.given);
        at += step.taken;
      }
    } catch (const http::BadBody&) {
      return std::nullopt;
    }
    return content;
  };
  require(content_of(text.size()) == content_of(1), "a body that its pieces change");
}

// A manifest of a model; what is sound has everything that loading the model asks for.
void manifest(Bytes bytes) {
  const auto model =
      inference::read_manifest({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!model) {
    require(!model.error().detail.empty(), "a refusal without a reason");
    return;
  }
  const auto placement = inference::place(model->input, 641, 3);
  require(placement.width > 0 && placement.height > 0 && placement.left >= 0 &&
              placement.left + placement.width <= placement.input_width &&
              placement.top + placement.height <= placement.input_height,
          "a frame beside its input");
  require(!model->name.empty() && !model->labels.empty() && !model->outputs.empty(),
          "a manifest without what it needs");
}

// The headers of tus, one a line: metadata, checksum, offset.
void tus_headers(Bytes bytes) {
  const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  const auto first = std::min(text.find('\n'), text.size());
  const auto second = std::min(text.find('\n', first + 1), text.size());
  const auto rest = [&](std::size_t from) { return text.substr(std::min(from + 1, text.size())); };
  const auto metadata = tus::parse_metadata(text.substr(0, first));
  require(!metadata || (metadata->name.size() <= 255 && is_utf8(metadata->name) &&
                        !has_control_character(metadata->name)),
          "a name that is none");
  require(!metadata || is_utf8(text.substr(0, first)), "what no column of text takes");
  const auto checksum =
      tus::parse_checksum(rest(first).substr(0, second - std::min(first + 1, second)));
  if (checksum) {
    (*checksum)->update(bytes);
    (void)(*checksum)->holds();
  }
  const auto offset = tus::parse_bytes("Upload-Offset", rest(second));
  require(!offset || *offset >= 0, "a negative offset");
  require(metadata || !metadata.error().detail.empty(), "a refusal without a reason");
}

// A ZIP of videos; what is sound unpacks to what it says.
void zip(Bytes bytes) {
  test::MemorySource source{{bytes.begin(), bytes.end()}};
  constexpr std::int64_t kMost = 16 * 1024 * 1024;
  try {
    media::ZipReader reader{source, kMost};
    std::int64_t announced = 0;
    for (const auto& file : reader.files()) {
      require(file.size > 0 && !file.name.empty() && file.name.size() <= media::kMaxPackedName &&
                  is_utf8(file.name) && !has_control_character(file.name),
              "a file that is none");
      announced += file.size;
    }
    require(announced <= kMost, "more than there is room for");
    std::int64_t unpacked = 0;
    reader.read([&](std::span<const std::byte> piece) {
      unpacked += static_cast<std::int64_t>(piece.size());
    });
    require(unpacked == announced, "another size than was said");
  } catch (const media::MediaError& error) {
    require(is_utf8(error.what()), "a refusal that nobody can read");
  }
}

}  // namespace

const std::vector<Target>& targets() {
  static const std::vector<Target> all{{"probe", probe},
                                       {"runner_messages", runner_messages},
                                       {"image_index", image_index},
                                       {"multipart", multipart},
                                       {"request_head", request_head},
                                       {"chunked_body", chunked_body},
                                       {"manifest", manifest},
                                       {"tus_headers", tus_headers},
                                       {"zip", zip}};
  return all;
}

}  // namespace infernode::fuzz
