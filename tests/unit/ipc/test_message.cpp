#include "ipc/message.h"

#include <catch2/catch_test_macros.hpp>

#include <string>

using namespace zc;

namespace {

template <class T>
T there_and_back(T event) {
  const auto back = parse_event(to_text(Event(std::move(event))));
  if (!back) FAIL(back.error().message());
  REQUIRE(std::holds_alternative<T>(*back));
  return std::get<T>(*back);
}

}  // namespace

TEST_CASE("a request arrives with its kind, number and arguments") {
  const Request request{.kind = RequestKind::AddSink,
                        .id = 7,
                        .arguments = {{"sink", std::string("/tmp/a.mkv"), {}},
                                      {"on", true, {}},
                                      {"whole", std::int64_t{-3}, {}},
                                      {"real", 1.5, {}},
                                      {"list", std::vector<std::string>{"a", "b"}, {}}}};
  const auto back = parse_request(to_text(request));
  REQUIRE(back);
  CHECK(back->kind == RequestKind::AddSink);
  CHECK(back->id == 7);
  REQUIRE(back->arguments.size() == 5);
  CHECK(*argument<std::string>(*back, "sink") == "/tmp/a.mkv");
  CHECK(*argument<bool>(*back, "on"));
  CHECK(*argument<std::int64_t>(*back, "whole") == -3);
  CHECK(*argument<double>(*back, "real") == 1.5);
  CHECK(argument<std::vector<std::string>>(*back, "list")->size() == 2);
  CHECK(argument<std::string>(*back, "whole") == nullptr);
  CHECK(argument<std::string>(*back, "other") == nullptr);
  CHECK_FALSE(back->start);
}

TEST_CASE("a start says who asks, and what holds where the session says nothing") {
  const Request request{.kind = RequestKind::Start,
                        .id = 1,
                        .arguments = {{"codec", std::string("h264"), "zerocast.toml:2:1"}},
                        .start = StartContext{.version = "1.2.3",
                                              .restarts = 2,
                                              .defaults = {.record = {{"crf", std::int64_t{23}, "zerocast.toml:9:1"}},
                                                           .stream = {{"cursor", std::string("hidden"), {}}}}}};
  const auto back = parse_request(to_text(request));
  REQUIRE(back);
  CHECK(back->arguments.front().where == "zerocast.toml:2:1");
  REQUIRE(back->start);
  CHECK(back->start->version == "1.2.3");
  CHECK(back->start->restarts == 2);
  REQUIRE(back->start->defaults.record.size() == 1);
  CHECK(back->start->defaults.record.front().where == "zerocast.toml:9:1");
  CHECK(std::get<std::int64_t>(back->start->defaults.record.front().value) == 23);
  REQUIRE(back->start->defaults.stream.size() == 1);
  CHECK(back->start->defaults.stream.front().name == "cursor");
}

TEST_CASE("every kind of request and event is understood again") {
  for (unsigned kind = 0; kind <= static_cast<unsigned>(RequestKind::Wake); ++kind) {
    const Request request{.kind = static_cast<RequestKind>(kind), .id = kind, .arguments = {}};
    CHECK(parse_request(to_text(request))->kind == request.kind);
  }
  for (unsigned state = 0; state <= static_cast<unsigned>(SessionState::Failed); ++state) {
    const StateEvent event{.state = static_cast<SessionState>(state), .reason = "because", .asks_user = state == 0};
    CHECK(there_and_back(event).state == event.state);
    CHECK(there_and_back(event).asks_user == event.asks_user);
    CHECK_FALSE(to_string(event.state).empty());
  }
  const Reply answer = there_and_back(
      Reply{.id = 3,
            .error = Error{ErrorKind::NoSpace, ErrorDomain::System, 28, "write a.mkv", "No space left on device"},
            .text = "x"});
  REQUIRE(answer.error);
  CHECK(answer.error->kind == ErrorKind::NoSpace);
  CHECK(answer.error->domain == ErrorDomain::System);
  CHECK(answer.error->code == 28);
  CHECK(answer.error->message() == "write a.mkv: No space left on device");
  CHECK_FALSE(there_and_back(Reply{.id = 1, .error = {}, .text = {}}).error);
  CHECK(there_and_back(FactsEvent{"screen", "cpu", "libx264", "h264", 1280, 720, {"mic"}, {}}).width == 1280);
  CHECK(there_and_back(ChangeEvent{ChangeEvent::What::Encoder, "a", "b", "c"}).what == ChangeEvent::What::Encoder);
  CHECK(there_and_back(SinkEvent{"udp://h:1", "gone", true}).fatal);
  CHECK(there_and_back(StallEvent{true, 5.5}).seconds == 5.5);
  CHECK(there_and_back(EndEvent{"stopped", {}, "{}"}).report == "{}");
}

TEST_CASE("statistics arrive whole") {
  Statistics statistics;
  std::uint64_t number = 1;
  for (const StatisticRow& row : statistic_rows()) {
    if (row.count != nullptr) statistics.*(row.count) = number++;
    if (row.real != nullptr) statistics.*(row.real) = static_cast<double>(number++);
  }
  statistics.gpu_encoder_load = 0.25;
  statistics.sinks.push_back({7, "a.mkv", "running", 1, 2, 3, 4, 5, "error", 6, "ffplay 'srt://h:1'"});
  statistics.stages.push_back({"encode", 9, 1.5, {1, 2, 3}});
  const Statistics back = there_and_back(statistics);
  for (const StatisticRow& row : statistic_rows()) {
    CAPTURE(row.name);
    CHECK((row.count != nullptr) != (row.real != nullptr));
    if (row.count != nullptr) CHECK(back.*(row.count) == statistics.*(row.count));
    if (row.real != nullptr) CHECK(back.*(row.real) == statistics.*(row.real));
  }
  CHECK(back.gpu_encoder_load == 0.25);
  REQUIRE(back.sinks.size() == 1);
  CHECK(back.sinks.front().error == "error");
  CHECK(back.sinks.front().viewers == 6);
  CHECK(back.sinks.front().watch == "ffplay 'srt://h:1'");
  REQUIRE(back.stages.size() == 1);
  CHECK(back.stages.front().within == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("what is no message is refused, whatever it is") {
  for (const char* text :
       {"", "{", "null", "[]", "3", "{}", R"({"request":"start"})", R"({"request":3,"id":1,"arguments":[]})",
        R"({"event":{}})", R"({"state":{}})", R"({"statistics":{"sinks":3}})", R"({"reply":{"id":-1}})",
        R"({"request":"start","id":1,"arguments":{"a":{"b":1}}})", "\xff\xfe"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_event(text));
    CHECK_FALSE(parse_request(text));
  }
}

TEST_CASE("text that is no UTF-8 does not stop a message") {
  const auto back =
      parse_event(to_text(Event(SinkEvent{"a\xff"
                                          "b",
                                          "c", false})));
  REQUIRE(back);
  CHECK(std::get<SinkEvent>(*back).sink.starts_with("a"));
}
