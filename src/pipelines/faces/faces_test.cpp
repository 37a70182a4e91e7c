// Goal: the real models find a real face, where it is. Method: a frame of the example, whose eyes,
// nose and mouth somebody has looked up; its annotated image as it was looked at.
#include "pipelines/faces/faces.hpp"

#include <gtest/gtest.h>

#include "inference/runner_models.hpp"
#include "testing/golden.hpp"
#include "testing/one_frame.hpp"

namespace infernode::faces {
namespace {

namespace json = boost::json;

FrameResult faces_in(const char* clip, const std::string& model) {
  return test::result_of_frame(*make_pipeline(), {{"pipeline", "faces"}, {"model", model}}, clip,
                               30);
}

TEST(Faces, AreFoundWithTheirEyesNoseAndMouth) {
  for (const std::string model : {"blazeface-back", "blazeface-front"}) {
    const auto result = faces_in("examples/astronaut.mp4", model);
    EXPECT_EQ(result.tally, (std::map<std::string, std::int64_t>{{"face", 1}}));
    const auto frame = json::parse(result.json);
    const auto& face = frame.at("objects").at(0);
    EXPECT_GT(face.at("confidence").as_double(), 0.8);
    const std::vector<std::pair<std::string, std::pair<double, double>>> looked_up{
        {"right eye", {171, 111}},
        {"left eye", {227, 115}},
        {"nose", {196, 145}},
        {"mouth", {194, 168}}};
    for (const auto& [name, point] : looked_up) {
      const auto& found = face.at("keypoints").at(name).as_array();
      ASSERT_EQ(found.size(), 2U);
      EXPECT_NEAR(found[0].to_number<double>(), point.first, 10) << model << " " << name;
      EXPECT_NEAR(found[1].to_number<double>(), point.second, 10) << model << " " << name;
    }
    EXPECT_EQ(face.at("keypoints").as_object().size(), 6U);
  }
}

TEST(Faces, LookAsTheyShould) {
  const auto result = faces_in("examples/astronaut.mp4", "blazeface-back");
  test::expect_golden_jpeg(result.jpeg, "docs/images/faces.jpg");
}

// People from afar have none that this model could see, and it makes none up.
TEST(Faces, AreNotMadeUp) {
  const auto frame = json::parse(faces_in("examples/street.mp4", "blazeface-back").json);
  EXPECT_TRUE(frame.at("objects").as_array().empty());
}

}  // namespace
}  // namespace infernode::faces
