#include <fmt/format.h>

#include <algorithm>

#include "media/zip_writer.hpp"
#include "results/exports/exporter.hpp"

namespace infernode {
namespace {

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A label as a YAML string in double quotes.
std::string yaml_string(const std::string& label) {
  std::string text = "\"";
  for (const char letter : label) {
    if (letter == '"' || letter == '\\') {
      text += '\\';
    }
    text += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
  }
  return text + "\"";
}

// A ZIP of labels/000123.txt, a line a box: class, centre, size, as shares of the picture
// (Ultralytics' detection format), with data.yaml and classes.txt, which number the labels that
// occur; a dataset's videos have a folder each, by their id. Two passes: the files, then the ZIP's
// directory, so that it need not be remembered.
class YoloExporter : public Exporter {
public:
  explicit YoloExporter(ExportFacts facts) : labels_{facts.labels}, facts_{std::move(facts)} {}
  explicit YoloExporter(DatasetFacts dataset)
      : labels_{std::move(dataset.labels)}, is_dataset_{true} {}

  void begin_result(const ExportFacts& facts) override {
    if (is_dataset_) {
      facts_ = facts;
      folder_ = facts.video_id + "/";
    }
  }

  std::string begin() override {
    std::string names;
    std::string classes;
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      names += fmt::format("  {}: {}\n", i, yaml_string(labels_[i]));
      classes += labels_[i] + "\n";
    }
    yaml_ = "path: .\ntrain: images\nval: images\nnames:\n" + names;
    classes_ = std::move(classes);
    return add_names();
  }

  std::string frame(const ExportedFrame& frame) override {
    std::string lines;
    for (const auto& box : frame.boxes) {
      const auto label = std::lower_bound(labels_.begin(), labels_.end(), box.label);
      if (label == labels_.end() || *label != box.label) {
        continue;  // the summary knows all labels
      }
      lines += fmt::format("{} {:.6f} {:.6f} {:.6f} {:.6f}\n", label - labels_.begin(),
                           (box.x + box.width / 2) / facts_.width,
                           (box.y + box.height / 2) / facts_.height, box.width / facts_.width,
                           box.height / facts_.height);
    }
    return add(fmt::format("labels/{}{:06}.txt", folder_, frame.index), lines);
  }

  PassEnd end_pass() override {
    if (!listing_) {
      listing_ = true;
      directory_offset_ = offset_;
      offset_ = 0;
      return {add_names(), true};
    }
    return {text_of(media::zip_end(entries_, directory_offset_, directory_bytes_)), false};
  }

private:
  std::string add_names() {
    std::string text = add("data.yaml", yaml_);
    text += add("classes.txt", classes_);
    return text;
  }

  // The file, or its record in the directory.
  std::string add(const std::string& name, const std::string& content) {
    media::ZipEntry entry{name, offset_, static_cast<std::uint32_t>(content.size()),
                          media::crc32_of(std::as_bytes(std::span{content}))};
    offset_ += media::zip_header_size(entry) + content.size();
    if (!listing_) {
      return text_of(media::zip_local_header(entry)) + content;
    }
    ++entries_;
    const auto record = media::zip_directory_record(entry);
    directory_bytes_ += record.size();
    return text_of(record);
  }

  std::vector<std::string> labels_;
  bool is_dataset_ = false;
  ExportFacts facts_{};
  std::string folder_;
  std::string yaml_;
  std::string classes_;
  bool listing_ = false;
  std::uint64_t offset_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t directory_offset_ = 0;
  std::uint64_t directory_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Exporter> make_yolo_exporter(ExportFacts facts) {
  return std::make_unique<YoloExporter>(std::move(facts));
}

std::unique_ptr<Exporter> make_yolo_exporter(DatasetFacts facts) {
  return std::make_unique<YoloExporter>(std::move(facts));
}

}  // namespace infernode
