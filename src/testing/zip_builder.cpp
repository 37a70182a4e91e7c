#include "testing/zip_builder.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace infernode::test {
namespace {

using Bytes = std::vector<std::byte>;
constexpr std::uint32_t kAsk64 = 0xffffffff;

void put(Bytes& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
  }
}

void put_text(Bytes& out, const std::string& text) {
  for (const char letter : text) {
    out.push_back(static_cast<std::byte>(letter));
  }
}

Bytes deflated(const Bytes& content) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  Bytes out(deflateBound(&stream, static_cast<uLong>(content.size())));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::uint32_t crc_of(const Bytes& content) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size())));
}

std::uint16_t method_of(const ZipPart& part) {
  return part.deflated ? 8 : 0;
}

std::uint16_t flags_of(const ZipPart& part) {
  return static_cast<std::uint16_t>(part.flags | (part.descriptor ? 8 : 0));
}

void put_body(Bytes& out, const ZipPart& part, const Bytes& packed) {
  const std::string name = part.local_name.value_or(part.name);
  const auto later = [&](std::uint64_t size) { return part.descriptor ? 0 : size; };
  put(out, 0x04034b50, 4);
  put(out, 20, 2);
  put(out, flags_of(part), 2);
  put(out, part.local_method.value_or(part.method.value_or(method_of(part))), 2);
  put(out, 0, 4);
  put(out, later(part.crc.value_or(crc_of(part.content))), 4);
  put(out, part.zip64 ? kAsk64 : later(packed.size()), 4);
  put(out, part.zip64 ? kAsk64 : later(part.content.size()), 4);
  put(out, name.size(), 2);
  put(out, part.zip64 ? 20 : 0, 2);
  put_text(out, name);
  if (part.zip64) {
    put(out, 1, 2);
    put(out, 16, 2);
    put(out, part.content.size(), 8);
    put(out, packed.size(), 8);
  }
  out.insert(out.end(), packed.begin(), packed.end());
  if (part.descriptor) {
    put(out, 0x08074b50, 4);
    put(out, part.crc.value_or(crc_of(part.content)), 4);
    put(out, packed.size(), 4);
    put(out, part.content.size(), 4);
  }
}

void put_record(Bytes& out, const ZipPart& part, std::uint64_t packed, std::uint64_t offset) {
  const auto said_packed = part.packed.value_or(packed);
  const auto said_size = part.size.value_or(part.content.size());
  const auto said_offset = part.offset.value_or(offset);
  put(out, 0x02014b50, 4);
  put(out, part.system << 8U | 45, 2);
  put(out, 45, 2);
  put(out, flags_of(part), 2);
  put(out, part.method.value_or(method_of(part)), 2);
  put(out, 0, 4);
  put(out, part.crc.value_or(crc_of(part.content)), 4);
  put(out, part.zip64 ? kAsk64 : said_packed, 4);
  put(out, part.zip64 ? kAsk64 : said_size, 4);
  put(out, part.name.size(), 2);
  put(out, part.zip64 ? 28 : 0, 2);
  put(out, 0, 2);
  put(out, 0, 2);
  put(out, 0, 2);
  put(out, part.attributes, 4);
  put(out, part.zip64 ? kAsk64 : said_offset, 4);
  put_text(out, part.name);
  if (part.zip64) {
    put(out, 1, 2);
    put(out, 24, 2);
    put(out, said_size, 8);
    put(out, said_packed, 8);
    put(out, said_offset, 8);
  }
}

ZipPart file(const std::string& name, Bytes content) {
  ZipPart part;
  part.name = name;
  part.content = std::move(content);
  return part;
}

ZipPart deflated_file(const std::string& name, Bytes content) {
  auto part = file(name, std::move(content));
  part.deflated = true;
  return part;
}

ZipPart of_type(const std::string& name, std::uint32_t type, std::uint8_t system = 3) {
  auto part = file(name, bytes_of("/etc/passwd"));
  part.attributes = (type | 0777) << 16U;
  part.system = system;
  return part;
}

Bytes cut(Bytes bytes, std::size_t size) {
  bytes.resize(size);
  return bytes;
}

// A file whose content is another one's header and content.
Bytes one_within_another() {
  Bytes inner;
  put_body(inner, file("b.mp4", bytes_of("inner")), bytes_of("inner"));
  auto outer = file("a.mp4", inner);
  auto second = file("b.mp4", bytes_of("inner"));
  second.in_body = false;
  second.offset = 30 + outer.name.size();
  return build_zip({outer, second});
}

}  // namespace

std::vector<std::byte> bytes_of(const std::string& text) {
  Bytes bytes;
  put_text(bytes, text);
  return bytes;
}

std::vector<std::byte> build_zip(const std::vector<ZipPart>& parts, const ZipEnd& end) {
  Bytes out;
  Bytes directory;
  std::uint64_t entries = 0;
  for (const auto& part : parts) {
    const auto offset = out.size();
    const auto packed = part.deflated ? deflated(part.content) : part.content;
    if (part.in_body) {
      put_body(out, part, packed);
    }
    if (part.in_directory) {
      put_record(directory, part, packed.size(), offset);
      ++entries;
    }
  }
  const auto start = out.size();
  out.insert(out.end(), directory.begin(), directory.end());
  const auto said_entries = end.entries.value_or(entries);
  const auto said_size = end.directory_size.value_or(directory.size());
  const auto said_start = end.directory_offset.value_or(start);
  if (end.zip64) {
    const auto here = end.zip64_end_offset.value_or(out.size());
    put(out, 0x06064b50, 4);
    put(out, 44, 8);
    put(out, 45, 2);
    put(out, 45, 2);
    put(out, 0, 8);
    put(out, said_entries, 8);
    put(out, said_entries, 8);
    put(out, said_size, 8);
    put(out, said_start, 8);
    put(out, 0x07064b50, 4);
    put(out, 0, 4);
    put(out, here, 8);
    put(out, 1, 4);
  }
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, end.zip64 ? 0xffff : said_entries, 2);
  put(out, end.zip64 ? 0xffff : said_entries, 2);
  put(out, end.zip64 ? kAsk64 : said_size, 4);
  put(out, end.zip64 ? kAsk64 : said_start, 4);
  put(out, end.comment_length, 2);
  return out;
}

HostileZips hostile_zips(const std::vector<std::byte>& video) {
  HostileZips all;
  const auto add = [&](const char* kind, const std::string& what, Bytes bytes,
                       const std::string& reason) {
    all.by_reader.push_back({kind, what, std::move(bytes), reason});
  };
  const auto altered = [&](auto change) {
    auto part = deflated_file("a.mp4", video);
    change(part);
    return build_zip({file("0.mp4", video), part});
  };
  const auto ended = [&](auto change) {
    ZipEnd end;
    change(end);
    return build_zip({file("a.mp4", video), file("b.mp4", video)}, end);
  };
  const auto sound = build_zip({file("a.mp4", video), deflated_file("b.mp4", video)});
  const Bytes zeros(16 * 1024 * 1024);

  add("bomb", "16 MiB of zeros", build_zip({deflated_file("a.mp4", zeros)}), "times its size");
  add("bomb", "the last of three",
      build_zip({file("a.mp4", video), file("b.mp4", video), deflated_file("c.mp4", zeros)}),
      "times its size");
  add("bomb", "that says it is small", altered([&](ZipPart& part) {
        part.content = zeros;
        part.size = 1000;
      }),
      "directory");
  add("bomb", "of more than there may be", altered([](ZipPart& part) {
        part.zip64 = true;
        part.deflated = false;
        part.size = std::uint64_t{1} << 40U;
      }),
      "directory");
  for (const std::size_t count : {1001U, 5000U}) {
    std::vector<ZipPart> many;
    for (std::size_t i = 0; i < count; ++i) {
      many.push_back(file(fmt::format("{}.mp4", i), bytes_of("x")));
    }
    add("count", fmt::format("{} files", count), build_zip(many), "files");
  }
  add("count", "65,000 said, two there", ended([](ZipEnd& end) { end.entries = 65000; }), "ZIP");
  add("count", "one said, two there", ended([](ZipEnd& end) { end.entries = 1; }), "ZIP");
  add("count", "a million million said", ended([](ZipEnd& end) {
        end.zip64 = true;
        end.entries = 1'000'000'000'000;
      }),
      "ZIP");
  add("count", "no file", build_zip({}), "no file");
  add("count", "nothing but folders and hidden files",
      build_zip({file("day/", {}), file(".DS_Store", bytes_of("x")),
                 file("__MACOSX/._a.mp4", bytes_of("x")), file("Thumbs.db", bytes_of("x"))}),
      "no file");
  add("nesting", "a ZIP in it", build_zip({file("a.zip", sound)}), "ZIP in the ZIP");
  add("nesting", "a ZIP in a folder", build_zip({file("x/A.ZIP", sound)}), "ZIP in the ZIP");

  for (const char* name : {"../a.mp4", "x/../../a.mp4", "..", "x/..", "./a.mp4", "x/./a.mp4",
                           "/etc/passwd", "C:a.mp4", "C:\\a.mp4", "..\\a.mp4", "\\\\host\\a.mp4"}) {
    add("traversal", name, build_zip({file("0.mp4", video), file(name, video)}), "leads out");
  }
  add("link", "symbolic", build_zip({of_type("a.mp4", 0120000)}), "links");
  add("link", "symbolic, of macOS", build_zip({of_type("a.mp4", 0120000, 19)}), "links");
  add("link", "symbolic and hidden", build_zip({file("0.mp4", video), of_type(".a", 0120000)}),
      "links");
  add("link", "character device", build_zip({of_type("a.mp4", 0020000)}), "links");
  add("link", "block device", build_zip({of_type("a.mp4", 0060000)}), "links");
  add("link", "named pipe", build_zip({of_type("a.mp4", 0010000)}), "links");
  add("link", "socket", build_zip({of_type("a.mp4", 0140000)}), "links");
  add("link", "a folder with content", build_zip({file("day/", video)}), "links");

  add("encrypted", "of old", altered([](ZipPart& part) { part.flags = 1; }), "encrypted");
  add("encrypted", "strong", altered([](ZipPart& part) { part.flags = 0x41; }), "encrypted");
  for (const std::uint16_t method : {9, 12, 14, 93, 95, 98, 99, 255}) {
    add("method", std::to_string(method), altered([&](ZipPart& part) { part.method = method; }),
        method == 99 ? "directory" : "\"a.mp4\"");
  }
  add("twice", "the same name", build_zip({file("a.mp4", video), file("a.mp4", video)}), "twice");
  add("twice", "another content",
      build_zip({file("a.mp4", video), deflated_file("a.mp4", bytes_of("other"))}), "twice");

  add("ZIP64", "a size below zero", altered([](ZipPart& part) {
        part.zip64 = true;
        part.size = ~std::uint64_t{0};
      }),
      "directory");
  add("ZIP64", "a packed size beyond the archive", altered([](ZipPart& part) {
        part.zip64 = true;
        part.packed = std::uint64_t{1} << 62U;
      }),
      "ZIP");
  add("ZIP64", "an offset beyond the archive", altered([](ZipPart& part) {
        part.zip64 = true;
        part.offset = std::uint64_t{1} << 62U;
      }),
      "ZIP");
  add("ZIP64", "an end that is elsewhere", ended([](ZipEnd& end) {
        end.zip64 = true;
        end.zip64_end_offset = std::uint64_t{1} << 50U;
      }),
      "ZIP");
  add("ZIP64", "an end in a file", ended([](ZipEnd& end) {
        end.zip64 = true;
        end.zip64_end_offset = 0;
      }),
      "ZIP");

  add("descriptor", "another checksum", altered([](ZipPart& part) {
        part.descriptor = true;
        part.crc = 1;
      }),
      "\"a.mp4\"");
  add("descriptor", "more said than there is", altered([](ZipPart& part) {
        part.descriptor = true;
        part.size = part.content.size() + 1;
      }),
      "\"a.mp4\"");
  add(
      "overlap", "two names of one file",
      [&] {
        auto second = file("b.mp4", video);
        second.in_body = false;
        second.offset = 0;
        return build_zip({file("a.mp4", video), second});
      }(),
      "ZIP");
  add("overlap", "a file in another", one_within_another(), "shares its bytes");
  add(
      "overlap", "a hundred names of one file",
      [&] {
        std::vector<ZipPart> many{file("a.mp4", video)};
        for (int i = 0; i < 100; ++i) {
          auto part = file(fmt::format("{:05}", i), video);
          part.in_body = false;
          part.offset = 0;
          many.push_back(part);
        }
        return build_zip(many);
      }(),
      "ZIP");

  add("lie", "a checksum", altered([](ZipPart& part) { part.crc = 1; }), "\"a.mp4\"");
  add("lie", "another name before the file",
      altered([](ZipPart& part) { part.local_name = "b.mp4"; }), "ZIP");
  add("lie", "another method before the file",
      altered([](ZipPart& part) { part.local_method = 0; }), "ZIP");
  add("lie", "a smaller size", altered([](ZipPart& part) { part.size = 10; }), "ZIP");
  add("lie", "a packed size that is too small", altered([](ZipPart& part) { part.packed = 10; }),
      "ZIP");
  add("lie", "an offset in a file", altered([](ZipPart& part) { part.offset = 40; }), "ZIP");
  add("lie", "an offset beyond the end", altered([](ZipPart& part) { part.offset = 0x7fffffff; }),
      "ZIP");
  add("lie", "a directory that begins elsewhere",
      ended([](ZipEnd& end) { end.directory_offset = 0; }), "ZIP");
  add("lie", "a directory of no size", ended([](ZipEnd& end) { end.directory_size = 0; }), "ZIP");
  add("lie", "a comment that is not there", ended([](ZipEnd& end) { end.comment_length = 500; }),
      "ZIP");
  add("cut", "half of it", cut(sound, sound.size() / 2), "cut off");
  add("cut", "without its last byte", cut(sound, sound.size() - 1), "cut off");
  add("cut", "four bytes", cut(sound, 4), "cut off");
  add(
      "cut", "a mark and zeros",
      [] {
        auto bytes = bytes_of("PK\x03\x04");
        bytes.resize(100'000);
        return bytes;
      }(),
      "cut off");

  add("name", "a line break", build_zip({file("a\nb.mp4", video)}), "readable name");
  add("name", "none", build_zip({file("", video)}), "readable name");
  add("name", "300 bytes", build_zip({file(std::string(300, 'a') + ".mp4", video)}), "255 bytes");
  add("name", "65,000 bytes", build_zip({file(std::string(65000, 'a'), video)}), "255 bytes");
  add(
      "name", "no UTF-8 that says it is",
      [&] {
        auto part = file("\xff\xfe\n.mp4", video);
        part.flags = 0x800;
        return build_zip({part});
      }(),
      "");
  add("empty", "a file of no bytes", build_zip({file("a.mp4", {})}), "empty");

  const auto look = [&](const char* kind, const std::string& what, Bytes bytes,
                        const std::string& reason) {
    all.by_server.push_back({kind, what, std::move(bytes), reason});
  };
  look("content", "a text among videos",
       build_zip({file("a.mp4", video), file("notes.txt", bytes_of("to do"))}), "\"notes.txt\"");
  look("content", "a ZIP with another name", build_zip({file("a.mp4", sound)}), "\"a.mp4\"");
  look("content", "a video that is cut off",
       build_zip({file("a.mp4", video), file("b.mp4", cut(video, video.size() / 2))}), "\"b.mp4\"");
  look("bomb", "1 MiB of zeros", build_zip({deflated_file("a.mp4", Bytes(1024 * 1024))}),
       "\"a.mp4\"");
  return all;
}

}  // namespace infernode::test
