#include "results/exports/export_stream.hpp"

#include <stdexcept>

#include "core/blocking.hpp"

namespace infernode {
namespace {

constexpr std::size_t kReadBytes = 128 * 1024;

}  // namespace

struct ExportStream::Pass {
  std::unique_ptr<Exporter> exporter;
  JsonSplitter splitter{};
  bool begun = false;
  bool again = false;

  std::string add(const std::vector<std::byte>& bytes) {
    std::string text = begun ? "" : exporter->begin();
    begun = true;
    splitter.feed({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    while (const auto frame = splitter.next()) {
      text += exporter->frame(ExportedFrame::of(boost::json::parse(*frame).as_object()));
    }
    if (!bytes.empty()) {
      return text;
    }
    if (!splitter.complete()) {
      throw std::runtime_error("stored frames end in the middle of one");
    }
    auto end = exporter->end_pass();
    again = end.again;
    splitter = JsonSplitter{};
    return text + end.text;
  }
};

ExportStream::ExportStream(std::unique_ptr<Exporter> exporter, Read read,
                           asio::thread_pool& workers)
    : read_{std::move(read)},
      workers_{workers},
      pass_{std::make_shared<Pass>(Pass{std::move(exporter)})} {}

asio::awaitable<std::string> ExportStream::next() {
  while (!ended_) {
    auto bytes = co_await read_(offset_, kReadBytes);
    const bool at_end = bytes.empty();
    offset_ += static_cast<std::int64_t>(bytes.size());
    auto working = [pass = pass_, piece = std::move(bytes)] { return pass->add(piece); };
    auto text = co_await run_blocking(workers_, std::move(working));
    if (at_end) {
      ended_ = !pass_->again;
      offset_ = 0;
    }
    if (!text.empty()) {
      co_return text;
    }
  }
  co_return std::string{};
}

}  // namespace infernode
