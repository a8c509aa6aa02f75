#include "encode/settings.h"
#include "settings/values.h"

#include <catch2/catch_test_macros.hpp>

#include <functional>

using namespace zc;

namespace {

template <class T>
std::string message(const Result<T>& result) {
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().kind == ErrorKind::Invalid);
  CHECK(result.error().message().find('\n') == std::string::npos);
  return result.error().message();
}

}  // namespace

TEST_CASE("where a file is split: by time, size or both") {
  const auto of = [](std::string_view text) { return split_value("--split", text).value(); };
  CHECK(of("30min").time == std::chrono::minutes(30));
  CHECK(of("30min").bytes == 0);
  CHECK(of("90s").time == std::chrono::seconds(90));
  CHECK(of("1.5h").time == std::chrono::minutes(90));
  CHECK(of("2GiB").bytes == std::uint64_t{2} << 30U);
  CHECK(of("700MB").bytes == 700'000'000);
  CHECK(of("1h,4GB").time == std::chrono::hours(1));
  CHECK(of("1h,4GB").bytes == 4'000'000'000);
  for (const char* wrong : {"", "30", "min", "30m", "30min,", ",2GiB", "30min,2h", "1GB,1GiB", "-1h", "0.5s",
                            "10h10min", "1MB ", "999999999h", "0.1MB", "9999999999GiB"}) {
    CAPTURE(wrong);
    const auto value = split_value("--split", wrong);
    REQUIRE_FALSE(value);
    CHECK(value.error().kind == ErrorKind::Invalid);
  }
}

TEST_CASE("sizes") {
  CHECK(size_value("--size", "1280x720") == Size{1280, 720});
  CHECK(size_value("--size", "16x16384") == Size{16, 16384});
  CHECK(message(size_value("--size", "12y")) == "--size: '12y' is not WIDTHxHEIGHT, such as 1280x720");
  CHECK(message(size_value("--size", "8x8")) == "--size: 8x8 is outside 16x16 to 16384x16384");
  CHECK(message(size_value("--size", "16385x16")) == "--size: 16385x16 is outside 16x16 to 16384x16384");
  CHECK(message(size_value("--size", "1281x720")) == "--size: 1281x720 is odd; width and height must be even");
  for (const char* bad : {"", "x", "1280", "1280x", "x720", "-1280x720", "1280x720x1", "1280 x 720", "1280X720",
                          "4294967296x720", "1e3x720"}) {
    CAPTURE(bad);
    CHECK(message(size_value("--size", bad)).ends_with("is not WIDTHxHEIGHT, such as 1280x720"));
  }
}

TEST_CASE("regions") {
  CHECK(region_value("--region", "-100,50 1280x720") == Rect{-100, 50, 1280, 720});
  CHECK(message(region_value("--region", "1280x720+100+50")) ==
        "--region: '1280x720+100+50' is not a region; the form is slurp's, 'X,Y WIDTHxHEIGHT', such as '100,50 "
        "1280x720'");
  CHECK(message(region_value("--region", "0,0 8x720")) == "--region: 8x720 is outside 16x16 to 16384x16384");
}

TEST_CASE("crops") {
  CHECK(crop_value("--crop", "640x480+10+20") == Rect{10, 20, 640, 480});
  CHECK(crop_value("--crop", "640x480+0+16384") == Rect{0, 16384, 640, 480});
  CHECK(message(crop_value("--crop", "640x480")) ==
        "--crop: '640x480' is not WIDTHxHEIGHT+X+Y, such as 1280x720+100+50");
  CHECK(message(crop_value("--crop", "6x480+0+0")) == "--crop: 6x480 is outside 16x16 to 16384x16384");
  CHECK(message(crop_value("--crop", "640x480+0+16385")) == "--crop: its offset +0+16385 is beyond +16384+16384");
  for (const char* bad : {"", "+", "++", "640x480+1", "640x480+1+", "640x480++1", "640x480+-1+2", "640x480+1+2+3"}) {
    CAPTURE(bad);
    CHECK(message(crop_value("--crop", bad)).find("is not WIDTHxHEIGHT+X+Y") != std::string::npos);
  }
}

TEST_CASE("frame rates") {
  CHECK(rate_value("--fps", "60") == Rational{60, 1});
  CHECK(rate_value("--fps", "59.94") == Rational{2997, 50});
  CHECK(rate_value("--fps", "30000/1001") == Rational{30000, 1001});
  CHECK(rate_value("--fps", "1") == Rational{1, 1});
  CHECK(rate_value("--fps", "1000") == Rational{1000, 1});
  CHECK(message(rate_value("--fps", "0")) == "--fps: '0' is not a frame rate from 1 to 1000, such as 60 or 30000/1001");
  for (const char* bad :
       {"", "-5", "1001", "0.5", "60fps", "60/0", "0/1", "nan", "inf", "1e2", "4294967295/4294967294", "99999999999"}) {
    CAPTURE(bad);
    CHECK(message(rate_value("--fps", bad)).find("is not a frame rate from 1 to 1000") != std::string::npos);
  }
}

TEST_CASE("the minimum frame rate may be off or slow") {
  CHECK(min_rate_value("--min-fps", "0") == Rational{0, 1});
  CHECK(min_rate_value("--min-fps", "0.5") == Rational{1, 2});
  CHECK(min_rate_value("--min-fps", "0.01") == Rational{1, 100});
  CHECK(min_rate_value("--min-fps", "5") == Rational{5, 1});
  CHECK(message(min_rate_value("--min-fps", "-1")) ==
        "--min-fps: '-1' is not 0 (off) or a frame rate from 0.01 to 1000");
  CHECK_FALSE(min_rate_value("--min-fps", "0.001").has_value());
  CHECK_FALSE(min_rate_value("--min-fps", "0.0").has_value());
}

TEST_CASE("bit rates") {
  CHECK(bit_rate_value("--bitrate", "6M") == 6'000'000);
  CHECK(bit_rate_value("--bitrate", "2.5M") == 2'500'000);
  CHECK(bit_rate_value("--bitrate", "800k") == 800'000);
  CHECK(bit_rate_value("--bitrate", "800K") == 800'000);
  CHECK(bit_rate_value("--bitrate", "123456") == 123'456);
  CHECK(bit_rate_value("--bitrate", "10k") == kMinBitRate);
  CHECK(bit_rate_value("--bitrate", "1000M") == kMaxBitRate);
  CHECK(message(bit_rate_value("--bitrate", "6Mbit")) ==
        "--bitrate: '6Mbit' is not a bit rate, such as 6M, 800k or 6000000");
  CHECK(message(bit_rate_value("--bitrate", "9k")) == "--bitrate: '9k' is outside 10k to 1000M bit/s");
  CHECK(message(bit_rate_value("--bitrate", "1001M")) == "--bitrate: '1001M' is outside 10k to 1000M bit/s");
  for (const char* bad : {"", "k", "M", "-6M", "6.M", ".5M", "6.1234567M", "1.5", "6m", "6 M", "99999999999M"}) {
    CAPTURE(bad);
    CHECK_FALSE(bit_rate_value("--bitrate", bad).has_value());
  }
}

TEST_CASE("seconds") {
  using namespace std::chrono_literals;
  CHECK(seconds_value("--seconds", "10") == Nanoseconds(10s));
  CHECK(seconds_value("--seconds", "0.5") == Nanoseconds(500ms));
  CHECK(seconds_value("--seconds", "0.001") == Nanoseconds(1ms));
  CHECK(seconds_value("--gop", "600", 600) == Nanoseconds(600s));
  CHECK(message(seconds_value("--seconds", "0")) ==
        "--seconds: '0' is not a number of seconds, more than 0 and at most 2678400");
  CHECK(message(seconds_value("--gop", "601", 600)) ==
        "--gop: '601' is not a number of seconds, more than 0 and at most 600");
  for (const char* bad : {"", "-1", "1s", "0.0001", "1.", ".5", "1,5", "99999999999", "+1", "nan"}) {
    CAPTURE(bad);
    CHECK_FALSE(seconds_value("--seconds", bad).has_value());
  }
}

TEST_CASE("whole numbers") {
  CHECK(number_value("--crf", "0", 0, 63) == 0U);
  CHECK(number_value("--crf", "63", 0, 63) == 63U);
  CHECK(message(number_value("--crf", "-5", 0, 63)) == "--crf: '-5' is not a whole number from 0 to 63");
  for (const char* bad : {"", "64", "1.5", "0x10", "4294967296", " 1"}) {
    CAPTURE(bad);
    CHECK_FALSE(number_value("--crf", bad, 0, 63).has_value());
  }
}

TEST_CASE("keys with values") {
  using Pair = std::pair<std::string, std::string>;
  CHECK(key_value("--encoder-option", "tune=film") == Pair{"tune", "film"});
  CHECK(key_value("--encoder-option", "x264-params=a=1:b=2") == Pair{"x264-params", "a=1:b=2"});
  CHECK(key_value("--encoder-option", "tune=") == Pair{"tune", ""});
  CHECK(message(key_value("--encoder-option", "tune")) ==
        "--encoder-option: 'tune' is not KEY=VALUE, such as tune=film");
  CHECK_FALSE(key_value("--encoder-option", "=film").has_value());
}

TEST_CASE("HDR metadata is read in its usual form") {
  const auto display =
      mastering_value("--hdr10-mastering", "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)");
  REQUIRE(display);
  CHECK(*display == MasteringDisplay{.red = {34000, 16000},
                                     .green = {13250, 34500},
                                     .blue = {7500, 3000},
                                     .white = {15635, 16450},
                                     .max_luminance = 10'000'000,
                                     .min_luminance = 50});
  for (const char* bad : {"", "G(1,2)", "G(1,2)B(1,2)R(1,2)WP(1,2)L(1,2)x", "G(1,2)B(1,2)R(1,2)WP(1,2)L(1)",
                          "G(1,50001)B(1,2)R(1,2)WP(1,2)L(1,2)", "B(1,2)G(1,2)R(1,2)WP(1,2)L(1,2)",
                          "G(1,-2)B(1,2)R(1,2)WP(1,2)L(1,2)", "G(1,2)B(1,2)R(1,2)WP(1,2)L(100000001,2)"}) {
    CAPTURE(bad);
    CHECK_FALSE(mastering_value("--hdr10-mastering", bad));
  }
  CHECK(message(mastering_value("--hdr10-mastering", "P3")) ==
        "--hdr10-mastering: 'P3' is not G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min) with x and y up to 50000 and luminances up "
        "to 100000000");
  CHECK(light_value("--hdr10-light", "1000,400") == ContentLight{1000, 400});
  for (const char* bad : {"", "1000", "1000,", ",400", "1000,400,3", "70000,1", "a,b"}) {
    CAPTURE(bad);
    CHECK_FALSE(light_value("--hdr10-light", bad));
  }
  CHECK(message(light_value("--hdr10-light", "x")) == "--hdr10-light: 'x' is not MAXCLL,MAXFALL, such as 1000,400");
}

TEST_CASE("names cannot leave their folder") {
  CHECK(name_value("--restore-slot", "left-screen_2.a") == "left-screen_2.a");
  CHECK(message(name_value("--restore-slot", "../x")) ==
        "--restore-slot: '../x' is not a name: 1 to 64 letters, digits, '.', '_' or '-', no leading '.'");
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("a b"),
        std::string(65, 'a'), std::string("b\xc3\xa4r"), std::string("a\0b", 3)}) {
    CAPTURE(bad);
    CHECK_FALSE(name_value("--restore-slot", bad).has_value());
  }
}

TEST_CASE("choices name the whole list") {
  constexpr std::array<Choice<int>, 3> kTable{{{"low", 1}, {"mid", 2}, {"high", 3}}};
  CHECK(choice_value("--preset", "mid", kTable) == 2);
  CHECK(message(choice_value("--preset", "Mid", kTable)) == "--preset: 'Mid' is not one of low, mid, high");
  CHECK(message(choice_value("--preset", "", kTable)) == "--preset: '' is not one of low, mid, high");
}

TEST_CASE("foreign text is shown on one line and cut") {
  CHECK(in_quotes("a\nb\x1b[2J") == "'a?b?[2J'");
  CHECK(in_quotes(std::string(200, 'x')) == "'" + std::string(80, 'x') + "...'");
}

TEST_CASE("a list is names joined by commas") {
  CHECK(list_value("--encoder-order", "vaapi,hevc_nvenc").value() == std::vector<std::string>{"vaapi", "hevc_nvenc"});
  CHECK(list_value("--encoder-order", "software").value().size() == 1);
  for (const char* text : {"", ",", "a,,b", "a,", "a b", "a;b"}) {
    CAPTURE(text);
    const auto refused = list_value("--encoder-order", text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::Invalid);
  }
}
