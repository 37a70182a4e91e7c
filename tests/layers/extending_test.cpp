// Goal: docs/extending.md tells the truth about where things are.
// Method: every path it names exists (NAME stands for `detect`), and what its sections promise is
// so: a pipeline is named in one file outside of its folder, a param in two.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = INFERNODE_SOURCE_DIR;

std::string contents(const fs::path& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

TEST(Extending, NamesFilesThatExist) {
  const std::string page = contents(kRoot / "docs/extending.md");
  const std::regex path{"`((?:src|api|tests)/[A-Za-z0-9_./]+|\\.env\\.example)`"};
  int paths = 0;
  for (auto match = std::sregex_iterator(page.begin(), page.end(), path);
       match != std::sregex_iterator{}; ++match) {
    std::string name = (*match)[1];
    if (name == "src/inference/decoders/NAME.cpp") {
      continue;
    }
    for (auto at = name.find("NAME"); at != std::string::npos; at = name.find("NAME")) {
      name.replace(at, 4, "detect");
    }
    EXPECT_TRUE(fs::exists(kRoot / name)) << name;
    ++paths;
  }
  EXPECT_GT(paths, 15);
}

// Files that match `expression`, tests and documents left out.
std::vector<std::string> files_with(const std::string& expression) {
  const std::regex pattern{expression};
  std::vector<std::string> found;
  for (const char* folder : {"src", "api"}) {
    for (const auto& entry : fs::recursive_directory_iterator{kRoot / folder}) {
      const std::string name = fs::relative(entry.path(), kRoot).string();
      if (entry.is_regular_file() && !name.ends_with("test.cpp") && !name.ends_with(".md") &&
          name.find("/testing/") == std::string::npos &&
          std::regex_search(contents(entry.path()), pattern)) {
        found.push_back(name);
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

TEST(Extending, APipelineIsKnownToTheCatalogueAlone) {
  EXPECT_EQ(files_with("\\bdetect::make_pipeline\\b"),
            std::vector<std::string>{"src/pipelines/catalogue.cpp"});
}

TEST(Extending, AParamStandsInTwoFiles) {
  EXPECT_EQ(
      files_with("\\.at\\(\"classes\"\\)|\\bclasses: \\{"),
      (std::vector<std::string>{"api/pipelines/detect.yaml", "src/pipelines/detect/detect.cpp"}));
}

}  // namespace
