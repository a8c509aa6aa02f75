// What stands behind the '?' of an output's URL. Private to output_spec.h's parser.
#pragma once

#include "base/error.h"
#include "output/output_spec.h"

#include <string_view>

namespace zc {

/// "a=1&b=2" into `output`. Each option at most once; values are never repeated in messages. Invalid: an option that
/// this kind of output has not, naming those it has, or a value that is none; `where` opens the message.
[[nodiscard]] Result<void> apply_options(TcpOutput& output, std::string_view where, std::string_view query);
[[nodiscard]] Result<void> apply_options(UdpOutput& output, std::string_view where, std::string_view query);
[[nodiscard]] Result<void> apply_options(SrtOutput& output, std::string_view where, std::string_view query);
[[nodiscard]] Result<void> apply_options(RtmpOutput& output, std::string_view where, std::string_view query);
[[nodiscard]] Result<void> apply_options(RtpOutput& output, std::string_view where, std::string_view query);
[[nodiscard]] Result<void> apply_options(HlsOutput& output, std::string_view where, std::string_view query);

}  // namespace zc
