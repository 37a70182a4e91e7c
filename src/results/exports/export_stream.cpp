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

  std::string begin(const ExportFacts& facts) {
    std::string text = begun ? "" : exporter->begin();
    begun = true;
    exporter->begin_result(facts);
    return text;
  }
  Exporter::PassEnd end() { return exporter->end_pass(); }

  // Of a result; none at its end.
  std::string add(const std::vector<std::byte>& bytes) {
    std::string text;
    splitter.feed({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    while (const auto frame = splitter.next()) {
      text += exporter->frame(ExportedFrame::of(boost::json::parse(*frame).as_object()));
    }
    if (bytes.empty()) {
      if (!splitter.complete()) {
        throw std::runtime_error("stored frames end in the middle of one");
      }
      splitter = JsonSplitter{};
    }
    return text;
  }
};

ExportStream::Open ExportStream::opening(Source source) {
  return
      [source = std::move(source)](std::size_t number) -> asio::awaitable<std::optional<Source>> {
        co_return number == 0 ? std::optional{source} : std::nullopt;
      };
}

ExportStream::ExportStream(std::unique_ptr<Exporter> exporter, Open open,
                           asio::thread_pool& workers)
    : open_{std::move(open)},
      workers_{workers},
      pass_{std::make_shared<Pass>(Pass{std::move(exporter)})} {}

// The next result, or the end of a pass.
asio::awaitable<std::string> ExportStream::begin_next() {
  source_ = co_await open_(number_);
  offset_ = 0;
  ++number_;
  if (source_) {
    auto working = [pass = pass_, facts = source_->facts] { return pass->begin(facts); };
    co_return co_await run_blocking(workers_, std::move(working));
  }
  number_ = 0;
  auto working = [pass = pass_] { return pass->end(); };
  const auto end = co_await run_blocking(workers_, std::move(working));
  ended_ = !end.again;
  co_return end.text;
}

asio::awaitable<std::string> ExportStream::next() {
  while (!ended_) {
    std::string text;
    if (source_) {
      auto bytes = co_await source_->read(offset_, kReadBytes);
      const bool at_end = bytes.empty();
      offset_ += static_cast<std::int64_t>(bytes.size());
      auto working = [pass = pass_, piece = std::move(bytes)] { return pass->add(piece); };
      text = co_await run_blocking(workers_, std::move(working));
      if (at_end) {
        source_.reset();
      }
    } else {
      text = co_await begin_next();
    }
    if (!text.empty()) {
      co_return text;
    }
  }
  co_return std::string{};
}

}  // namespace infernode
