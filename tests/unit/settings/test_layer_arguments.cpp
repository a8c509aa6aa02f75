#include "settings/layer_arguments.h"

#include "settings/setting.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <string>
#include <vector>

using namespace zc;
using Catch::Matchers::ContainsSubstring;

namespace {

LayerOptions read(std::string_view text) {
  auto layer = layer_value("--layer", text);
  INFO(text << (layer ? "" : ": " + layer.error().message()));
  REQUIRE(layer);
  return *layer;
}
std::string refusal(std::string_view text) {
  const auto layer = layer_value("--layer", text);
  return layer ? "" : layer.error().message();
}

}  // namespace

TEST_CASE("a layer is a source with options at its end") {
  const LayerOptions all = read(
      "test:480x270@30,format=BGRx,at=br,size=25%,margin=16,opacity=80%,radius=12,crop=100x80+10+20,order=-2,name=me");
  CHECK(std::get<TestSpec>(all.source).size == Size{480, 270});
  CHECK(std::get<TestSpec>(all.source).format == PixelFormat::BGRx);
  CHECK(std::get<LayerCorner>(all.at) == LayerCorner{2, 2});
  CHECK(std::get<double>(all.size) == 25);
  CHECK(all.margin == 16);
  CHECK(all.opacity == 80);
  CHECK(all.radius == 12);
  CHECK(all.crop == Rect{10, 20, 100, 80});
  CHECK(all.order == -2);
  CHECK(all.name == "me");
  CHECK(read("test").name.empty());
  CHECK(std::get<LayerCorner>(read("test").at) == LayerCorner{2, 2});
  CHECK(std::get<Size>(read("test,size=480x270").size) == Size{480, 270});
  CHECK(std::get<LayerPoint>(read("test,at=-40,12.5%").at) == LayerPoint{{-40, false}, {12.5, true}});
  CHECK(std::get<LayerPoint>(read("test,at=10,20,size=50%").at) == LayerPoint{{10, false}, {20, false}});
}

TEST_CASE("a source's own colons and commas stay its own") {
  const LayerOptions brief = read("node:my.camera:@br:25%");
  CHECK(std::get<std::string>(std::get<NodeSpec>(brief.source).node) == "my.camera");
  CHECK(std::get<LayerCorner>(brief.at) == LayerCorner{2, 2});
  CHECK(std::get<double>(brief.size) == 25);
  CHECK(std::get<LayerPoint>(read("test:@10%,20:480x270").at) == LayerPoint{{10, true}, {20, false}});
  CHECK(std::get<TestSpec>(read("test:@30").source).rate == Rational{30, 1});  // no place
  CHECK(std::get<std::string>(std::get<NodeSpec>(read("node:a:@default").source).node) == "a:@default");
  const LayerOptions text = read("text:Hello, world: 25%,px=20,color=ff0000,at=t");
  CHECK(std::get<TextSpec>(text.source).text == "Hello, world: 25%");
  CHECK(std::get<TextSpec>(text.source).style.colour == 0xff0000ff);
  CHECK(std::get<ClockSpec>(read("clock:%H:%M:@tr").source).format == "%H:%M");
  CHECK(std::get<ImageSpec>(read("image:/a,b/logo.png,at=c").source).path == "/a,b/logo.png");
}

TEST_CASE("what a layer says reads back as the same") {
  for (const char* text :
       {"test:480x270@30", "test:480x270@30,format=BGRx,at=tl,size=25%,margin=16,opacity=80%,name=me", "clock",
        "text:a, b,px=20,at=10,-20%,radius=3", "image:/x.png,at=c,crop=100x80+10+20,order=3",
        "portal:window:@l:640x360", "node:a b,at=r"}) {
    const LayerOptions layer = read(text);
    INFO(text << " -> " << layer_text(layer));
    CHECK(read(layer_text(layer)) == layer);
  }
}

TEST_CASE("a wrong layer is one line that says what is valid") {
  CHECK_THAT(refusal("test,at=middle"), ContainsSubstring("one of tl, t, tr, l, c, r, bl, b, br, or X,Y"));
  CHECK_THAT(refusal("test,at=1.5,2"), ContainsSubstring("'1.5,2' is not a place"));
  CHECK_THAT(refusal("test,size=big"), ContainsSubstring("WxH in px"));
  CHECK_THAT(refusal("test,size=0%"), ContainsSubstring("from 1% to 200%"));
  CHECK_THAT(refusal("test,size=0x10"), ContainsSubstring("WxH in px"));
  CHECK_THAT(refusal("test,size=99999x10"), ContainsSubstring("WxH in px"));
  CHECK_THAT(refusal("test,opacity=80"), ContainsSubstring("from 0% to 100%"));
  CHECK_THAT(refusal("test,opacity=nan%"), ContainsSubstring("from 0% to 100%"));
  CHECK_THAT(refusal("test,radius=-1"), ContainsSubstring("radius"));
  CHECK_THAT(refusal("test,order=1.5"), ContainsSubstring("from -1000 to 1000"));
  CHECK_THAT(refusal("test,name=../x"), ContainsSubstring("name"));
  CHECK_THAT(refusal("nothing,at=br"), ContainsSubstring("'nothing' is not a source"));
  CHECK_THAT(refusal("test:@br:huge"), ContainsSubstring("WxH in px"));
  CHECK_THAT(refusal(""), ContainsSubstring("is not a source"));
  CHECK_FALSE(refusal("test,colour=red").empty());
}

TEST_CASE("a change names what becomes other") {
  LayerOptions layer = read("test,at=br,size=25%,crop=100x80+10+20,name=me");
  REQUIRE(change_layer("CHANGES", "at=tl,opacity=50%", layer));
  CHECK(std::get<LayerCorner>(layer.at) == LayerCorner{0, 0});
  CHECK(layer.opacity == 50);
  CHECK(std::get<double>(layer.size) == 25);
  REQUIRE(change_layer("CHANGES", "crop=none,at=5,6", layer));
  CHECK_FALSE(layer.crop);
  const auto wrong = change_layer("CHANGES", "camera", layer);
  REQUIRE_FALSE(wrong);
  CHECK_THAT(wrong.error().message(), ContainsSubstring("'camera' is not KEY=VALUE with one of at, size, opacity"));
}

TEST_CASE("a session's settings have layers, too") {
  const std::vector<Setting> settings{{"sinks", std::string("/tmp/a.mkv"), {}},
                                      {"layer", std::vector<std::string>{"test,at=tl", "clock:@br"}, {}}};
  const auto options = record_options_from(settings);
  REQUIRE(options);
  REQUIRE(options->layers.size() == 2);
  CHECK(std::get<LayerCorner>(options->layers[1].at) == LayerCorner{2, 2});
}
