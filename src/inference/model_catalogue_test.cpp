// Goal: a folder of models is read as it is meant, and a wrong manifest is named.
// Method: small folders.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "inference/model_catalogue.hpp"

namespace infernode::inference {
namespace {

TEST(Catalogue, NamesTheManifestThatIsNotSound) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("infernode-models-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream{folder / "bad.json"} << "{";
  try {
    load_catalogue(folder);
    ADD_FAILURE() << "accepted";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string{error.what()}.find("bad.json"), std::string::npos);
  }
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(load_catalogue(folder).empty());
}

Model named(const std::string& name, bool is_default) {
  Model model;
  model.name = name;
  model.pipeline = "detect";
  model.is_default = is_default;
  return model;
}

// A new model whose name sorts first must not become everybody's.
TEST(Catalogue, TakesTheDefaultThatTheManifestNames) {
  EXPECT_EQ(ModelCatalogue({named("b", true), named("a", false)}).default_of("detect")->name, "b");
  EXPECT_EQ(ModelCatalogue({named("only", false)}).default_of("detect")->name, "only");
  auto added = named("added", false);
  added.revision = "0123";
  EXPECT_EQ(ModelCatalogue({named("only", false), added}).default_of("detect")->name, "only");
  EXPECT_EQ(ModelCatalogue({added}).default_of("detect"), nullptr);
  const ModelCatalogue chosen{{named("b", true), named("a", false)}, {{"detect", "a"}}};
  EXPECT_EQ(chosen.default_of("detect")->name, "a");
  const ModelCatalogue gone{{named("b", true)}, {{"detect", "a"}}};
  EXPECT_EQ(gone.default_of("detect"), nullptr);  // no other one instead, silently
  EXPECT_EQ(ModelCatalogue({named("a", false), named("b", false)}).default_of("detect"), nullptr);
  EXPECT_EQ(ModelCatalogue({named("a", true)}).default_of("pose"), nullptr);
  EXPECT_THROW(ModelCatalogue({named("a", true), named("b", true)}), std::runtime_error);
}

TEST(Catalogue, HashesOnlyWhenAsked) {
  const auto without = load_catalogue(INFERNODE_MODELS, Hashes::no);
  ASSERT_NE(without.find("centernet"), nullptr);
  EXPECT_EQ(without.find("centernet")->sha256, "");
  EXPECT_EQ(load_catalogue(INFERNODE_MODELS).find("centernet")->sha256.size(), 64U);
}

}  // namespace
}  // namespace infernode::inference
