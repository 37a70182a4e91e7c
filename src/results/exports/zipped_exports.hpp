#pragma once

#include <optional>
#include <vector>

#include "media/zip_writer.hpp"
#include "results/exports/export_stream.hpp"

namespace infernode {

// The results of a dataset's videos in a format that holds one video, as a ZIP with a file for
// each: VIDEO_ID.mot.csv. Each is written twice, first to learn its size and checksum, so that no
// more of it is held than a piece.
class ZippedExports : public ExportedFile {
public:
  ZippedExports(ExportFormat format, ExportStream::Open open, asio::thread_pool& workers);

  asio::awaitable<std::string> next() override;

private:
  // What comes before the next file, or behind the last.
  asio::awaitable<std::string> begin_next();
  std::unique_ptr<ExportStream> stream_of(ExportStream::Source source) const;

  ExportFormat format_;
  ExportStream::Open open_;
  asio::thread_pool& workers_;
  std::size_t number_ = 0;              // of the next result
  std::unique_ptr<ExportStream> file_;  // that is written
  std::uint64_t left_ = 0;              // bytes of it
  std::uint64_t offset_ = 0;            // in the ZIP
  std::vector<media::ZipEntry> entries_;
  bool ended_ = false;
};

}  // namespace infernode
