#include "results/exports/zipped_exports.hpp"

#include <fmt/format.h>

#include <limits>
#include <stdexcept>

namespace infernode {
namespace {

void append(std::string& text, const std::vector<std::byte>& bytes) {
  text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

ZippedExports::ZippedExports(ExportFormat format, ExportStream::Open open,
                             asio::thread_pool& workers)
    : format_{format}, open_{std::move(open)}, workers_{workers} {}

std::unique_ptr<ExportStream> ZippedExports::stream_of(ExportStream::Source source) const {
  auto exporter = make_exporter(format_, source.facts);
  auto only = ExportStream::opening(std::move(source));
  return std::make_unique<ExportStream>(std::move(exporter), std::move(only), workers_);
}

asio::awaitable<std::string> ZippedExports::begin_next() {
  auto source = co_await open_(number_++);
  std::string text;
  if (!source) {
    ended_ = true;
    const auto directory = offset_;
    for (const auto& entry : entries_) {
      append(text, media::zip_directory_record(entry));
    }
    append(text, media::zip_end(entries_.size(), directory, text.size()));
    co_return text;
  }
  media::ZipEntry entry{fmt::format("{}.{}", source->facts.video_id, ending_of(format_)), offset_};
  std::uint64_t size = 0;
  auto measured = stream_of(*source);
  for (;;) {
    const auto piece = co_await measured->next();
    if (piece.empty()) {
      break;
    }
    size += piece.size();
    entry.crc32 = media::crc32_of(std::as_bytes(std::span{piece}), entry.crc32);
  }
  if (size > std::numeric_limits<std::uint32_t>::max()) {
    throw std::runtime_error("an exported file is too large for a ZIP's entry");
  }
  entry.size = static_cast<std::uint32_t>(size);
  left_ = size;
  append(text, media::zip_local_header(entry));
  offset_ += text.size() + size;
  entries_.push_back(std::move(entry));
  file_ = stream_of(std::move(*source));
  co_return text;
}

asio::awaitable<std::string> ZippedExports::next() {
  while (!ended_) {
    if (!file_) {
      co_return co_await begin_next();
    }
    auto text = co_await file_->next();
    if (text.size() > left_ || (text.empty() && left_ > 0)) {
      throw std::runtime_error("an exported file changed while it was written");
    }
    left_ -= text.size();
    if (!text.empty()) {
      co_return text;
    }
    file_.reset();
  }
  co_return std::string{};
}

}  // namespace infernode
