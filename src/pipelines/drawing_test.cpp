// Goal: pictures look as they should, whatever there is to draw. Method: golden pictures.
#include "pipelines/drawing.hpp"

#include <gtest/gtest.h>

#include "testing/golden.hpp"

namespace infernode {
namespace {

media::Image grey(int width, int height) {
  return {width, height,
          std::vector<std::uint8_t>(static_cast<std::size_t>(width) * height * 3, 40)};
}

boost::json::object object(int class_id, const std::string& label, double confidence,
                           boost::json::array box) {
  return {{"label", label},
          {"class_id", class_id},
          {"confidence", confidence},
          {"box", std::move(box)}};
}

TEST(Drawing, ShowsTracks) {
  auto image = grey(160, 120);
  auto seen = object(0, "person", 0.87, {20, 30, 60, 70});
  seen.emplace("track_id", 3);
  auto filled = object(0, "person", 0.41, {90, 50, 65, 50});
  filled.emplace("track_id", 12);
  filled.emplace("interpolated", true);
  draw_boxes(image, {seen, filled}, {});
  test::expect_golden(image, "pipelines/golden/two-tracks.ppm");
}

TEST(Drawing, LooksAsItShould) {
  auto image = grey(160, 120);
  draw_boxes(
      image,
      {object(0, "person", 0.87, {20, 30, 60, 70}), object(1, "car", 0.41, {90, 10, 65, 50})}, {});
  test::expect_golden(image, "pipelines/golden/two-boxes.ppm");
}

// The sanitizers see what is written beside it.
TEST(Drawing, StaysInsideTheImage) {
  for (const auto& [width, height] : {std::pair{8, 8}, std::pair{60, 400}}) {
    auto image = grey(width, height);
    const double w = width;
    const double h = height;
    draw_boxes(
        image,
        {object(0, "person", 0.9, {0, 0, w, h}), object(1, "car", 0.4, {w - 1, h - 1, 1, 1})}, {});
    // The frame of the large box lies on the image's edge.
    EXPECT_NE(image.pixels[static_cast<std::size_t>(height / 2) * width * 3], 40);
  }
}

TEST(Drawing, NothingIsLeftOfWhatIsHidden) {
  for (const auto* how : {"blur", "pixelate", "fill"}) {
    // Stripes a pixel wide, light and dark: what is hidden has none of them any more.
    auto image = grey(120, 100);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      image.pixels[i] = i / 3 % 2 == 0 ? 20 : 220;
    }
    const auto before = image.pixels;
    const auto hiding = drawing_style({{"anonymize", how}}).hiding;
    hide_boxes(image,
               {{"objects", {{{"box", {20.4, 30, 40, 20}}}, {{"box", {100, 90, 60, 60}}}}},
                {"hidden", {{3, 3, 4, 5}, {-50, -50, 10, 10}}}},
               "objects", hiding);
    const auto at = [&](int x, int y) {
      return image.pixels[(static_cast<std::size_t>(y) * 120 + static_cast<std::size_t>(x)) * 3];
    };
    for (const auto& [x, y] :
         {std::pair{21, 31}, {40, 40}, {59, 49}, {4, 4}, {110, 95}, {119, 99}}) {
      EXPECT_NEAR(at(x, y), at(x - 1, y), 60) << how << " " << x << " " << y;
    }
    EXPECT_EQ(at(80, 10), before[(10UL * 120 + 80) * 3]);
  }
}

TEST(Drawing, ColoursAreThoseThatWereAskedFor) {
  const auto style = drawing_style({{"colours", {{"car", "#ff8001"}}}});
  auto image = grey(160, 120);
  draw_boxes(image, {object(1, "car", 0.4, {40, 40, 80, 60})}, style);
  const std::size_t corner = (60 * 160 + 40) * 3;
  EXPECT_EQ(image.pixels[corner], 0xff);
  EXPECT_EQ(image.pixels[corner + 1], 0x80);
  EXPECT_EQ(image.pixels[corner + 2], 0x01);
}

TEST(Drawing, ShowsZonesAndHowThingsStand) {
  const auto style = drawing_style(
      {{"zones",
        {{{"name", "gate"}, {"line", {{10, 110}, {230, 90}}}},
         {{"name", "court"}, {"polygon", {{60, 40}, {200, 30}, {220, 150}, {90, 160}}}},
         {{"name", "far"}, {"line", {{-1e6, 5}, {1e6, 5}}}}}}});
  auto image = grey(240, 180);
  draw_zones(image,
             {{"zones", {{"gate", {{"forward", 3}, {"backward", 1}}}, {"court", {{"inside", 2}}}}}},
             style);
  test::expect_golden(image, "pipelines/golden/zones.ppm");
}

}  // namespace
}  // namespace infernode
