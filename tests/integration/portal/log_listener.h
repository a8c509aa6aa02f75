#pragma once

#include <spdlog/sinks/ostream_sink.h>

#include <memory>
#include <sstream>
#include <string>

#include "base/log.h"

namespace zc::test {

/// What the capture logger says, as long as it lives.
class LogListener {
 public:
  LogListener() {
    sink_->set_pattern("%l: %v");
    logger("capture").sinks().push_back(sink_);
  }
  ~LogListener() { logger("capture").sinks().pop_back(); }
  LogListener(const LogListener&) = delete;
  LogListener& operator=(const LogListener&) = delete;
  /// What was said since the last call.
  std::string take() {
    std::string said = text_.str();
    text_.str({});
    return said;
  }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::sinks::ostream_sink_mt> sink_ = std::make_shared<spdlog::sinks::ostream_sink_mt>(text_);
};

}  // namespace zc::test
