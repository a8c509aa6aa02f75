// Metrics over HTTP, asked as Prometheus does and as nobody should.
#include "integration/daemon/daemon_rig.h"
#include "support/loopback.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>

using namespace zc;
using namespace zc::test;

namespace {

struct Family {
  std::string type;
  std::set<std::string> labels;
  bool operator==(const Family&) const = default;
};
using Families = std::map<std::string, Family>;

std::string config_for(std::uint16_t port) {
  return fmt::format("[daemon]\nnotify = false\nmetrics = \"127.0.0.1:{}\"\n", port);
}

std::string ask(std::uint16_t port, const std::string& request) {
  const UniqueFd socket = connect_to(port);
  if (!socket || !send_text(socket, request)) return {};
  return receive_all(socket);
}
const std::string kScrape = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
bool answers(std::uint16_t port) { return ask(port, kScrape).starts_with("HTTP/1.1 200"); }

/// Has the daemon serve at a free port, which somebody else may take first.
std::uint16_t serve(DaemonRig& rig) {
  for (int i = 0; i < 20; ++i) {
    const std::uint16_t port = free_port();
    rig.write_config(config_for(port));
    REQUIRE(rig.client().reload());
    if (answers(port)) return port;
  }
  FAIL("no port");
  return 0;
}

/// Of the text format: types from "# TYPE", labels from the samples; a histogram's by its own name, without "le".
Families served(std::uint16_t port) {
  const std::string answer = ask(port, kScrape);
  REQUIRE(answer.starts_with("HTTP/1.1 200"));
  Families families;
  std::istringstream lines(answer.substr(answer.find("\r\n\r\n") + 4));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string mark;
    std::string word;
    std::string name;
    if (line.starts_with("# TYPE ")) {
      words >> mark >> word >> name;
      words >> families[name].type;
    }
    if (line.empty() || line.starts_with('#')) continue;
    name = line.substr(0, line.find_first_of("{ "));
    for (const char* part : {"_bucket", "_sum", "_count"}) {
      const std::string base = name.ends_with(part) ? name.substr(0, name.size() - std::string(part).size()) : "";
      if (families.contains(base)) name = base;
    }
    Family& family = families[name];
    if (line.find('{') == std::string::npos) continue;
    // Names stand before '="'; no value in these tests holds that.
    for (std::size_t at = line.find("=\""); at != std::string::npos; at = line.find("=\"", at + 1)) {
      const std::size_t begin = line.find_last_of("{,", at) + 1;
      const std::string label = line.substr(begin, at - begin);
      if (label != "le") family.labels.insert(label);
    }
  }
  return families;
}

/// The rows "| `name` | type | labels | meaning |".
Families documented() {
  std::ifstream file(ZEROCAST_METRICS_DOC);
  Families families;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| `zerocast_")) continue;
    std::istringstream cells(line);
    std::string cell;
    std::vector<std::string> row;
    while (std::getline(cells, cell, '|')) row.push_back(cell);
    REQUIRE(row.size() >= 5);
    const auto words = [](std::string text) {
      std::ranges::replace_if(text, [](char letter) { return letter == ',' || letter == '`'; }, ' ');
      std::istringstream stream(text);
      return std::set<std::string>{std::istream_iterator<std::string>(stream), {}};
    };
    families[*words(row[1]).begin()] = {.type = *words(row[2]).begin(), .labels = words(row[3])};
  }
  return families;
}

/// Sockets of the internet that the process has.
std::size_t inet_sockets_of(pid_t process) {
  std::set<std::string> inodes;
  for (const char* table : {"tcp", "tcp6", "udp", "udp6"}) {
    std::ifstream file(fmt::format("/proc/{}/net/{}", process, table));
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string word;
      for (int i = 0; i < 10; ++i) words >> word;  // proc_pid_net(5): the tenth is the inode
      inodes.insert("socket:[" + word + "]");
    }
  }
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", process))) {
    std::error_code error;
    count += inodes.count(std::filesystem::read_symlink(entry.path(), error).native());
  }
  return count;
}

}  // namespace

TEST_CASE("metrics are served as they are documented, and not without being configured") {
  DaemonRig rig("[daemon]\nnotify = false\n");
  const pid_t daemon = rig.process().pid();
  CHECK(inet_sockets_of(daemon) == 0);
  for (const char* wrong : {"9464", "localhost:9464", ":9464", "127.0.0.1:0", "127.0.0.1:66000", "*:9464"}) {
    CAPTURE(wrong);
    rig.write_config(fmt::format("[daemon]\nmetrics = \"{}\"\n", wrong));
    const auto refused = rig.client().reload();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::Invalid);
  }
  CHECK(inet_sockets_of(daemon) == 0);

  const std::uint16_t port = serve(rig);
  CHECK(answers(port));
  CHECK_FALSE(connect_to(port, "127.0.0.2"));  // there and nowhere else
  const std::string name = rig.start(
      "metrics.mkv", {{"replay-seconds", std::int64_t{5}, {}}, {"audio", std::vector<std::string>{"test"}, {}}});
  Families seen;
  REQUIRE(eventually([&] {
    seen = served(port);
    return seen.contains("zerocast_stage_seconds") && seen.contains("zerocast_sink_packets_total") &&
           seen.contains("zerocast_audio_peak_dbfs");
  }));
  std::erase_if(seen, [](const auto& family) { return family.first.starts_with("exposer_"); });
  Families told = documented();
  told.erase("zerocast_encoder_gpu_utilization_ratio");  // where a GPU's driver tells
  seen.erase("zerocast_encoder_gpu_utilization_ratio");
  CHECK(told.size() > 30);
  for (const auto& [metric, family] : told) {
    INFO(metric << ": " << family.type << " " << fmt::format("{}", fmt::join(family.labels, ", ")));
    REQUIRE(seen.contains(metric));
    INFO("served: " << seen[metric].type << " " << fmt::format("{}", fmt::join(seen[metric].labels, ", ")));
    CHECK(seen[metric] == family);
  }
  for (const auto& [metric, family] : seen) {
    INFO("not documented: " << metric);
    CHECK(told.contains(metric));
  }
  // The figures are the session's own.
  const std::string text = ask(port, kScrape);
  CHECK(text.find("zerocast_session_state{session=\"" + name + "\",state=\"recording\"} 1") != std::string::npos);
  CHECK(text.find("zerocast_session_state{session=\"" + name + "\",state=\"paused\"} 0") != std::string::npos);
  CHECK(text.find("zerocast_session_info{session=\"" + name + "\",encoder=\"libx264\",route=\"cpu\"} 1") !=
        std::string::npos);
  CHECK(text.find("zerocast_sink_info{session=\"" + name + "\",sink=\"1\",kind=\"file\"} 1") != std::string::npos);
  CHECK(text.find("zerocast_sink_state{session=\"" + name + "\",sink=\"1\",state=\"running\"} 1") != std::string::npos);
  CHECK(text.find("metrics.mkv") == std::string::npos);
  REQUIRE(rig.client().stop(name));

  rig.write_config("[daemon]\nnotify = false\n");
  REQUIRE(rig.client().reload());
  CHECK(inet_sockets_of(daemon) == 0);
}

TEST_CASE("an address that is taken stops nothing, and is served once it is free") {
  auto [taken, port] = listen_on_loopback();
  REQUIRE(taken);
  DaemonRig rig(config_for(port));
  const std::string name = rig.start("goes on.mkv");
  CHECK(rig.wait_for(name, [](const SessionView& one) { return figure(one, "encoder_frames") >= 1; }).error.empty());
  taken.reset();
  CHECK(eventually([port = port] { return answers(port); }));
  REQUIRE(rig.client().stop(name));
}

TEST_CASE("metrics outlive garbage, peers that say nothing, and two hundred at once") {
  DaemonRig rig;
  const std::uint16_t port = serve(rig);
  REQUIRE(answers(port));
  const std::uint64_t files = rig.open_files();

  std::mt19937 random(20240611);
  for (int i = 0; i < 40; ++i) {
    std::string garbage(random() % 3000, '\0');
    for (char& byte : garbage) byte = static_cast<char>(random());
    const UniqueFd socket = connect_to(port);
    REQUIRE(socket);
    send_text(socket, garbage + "\r\n\r\n");
    CHECK_FALSE(receive_all(socket).starts_with("HTTP/1.1 200"));
  }
  const std::string big(100'000, 'a');
  for (const std::string& request :
       {std::string("\r\n\r\n"), std::string("GET\r\n\r\n"), std::string("GET /metrics HTTP/9.9\r\n\r\n"),
        "GET /" + big + " HTTP/1.1\r\n\r\n", "GET /metrics HTTP/1.1\r\nHost: " + big + "\r\n\r\n",
        std::string("GET /../../etc/passwd HTTP/1.0\r\n\r\n"), std::string("GET / HTTP/1.0\r\n\r\n")}) {
    CHECK_FALSE(ask(port, request).starts_with("HTTP/1.1 200"));
  }
  for (const char* method : {"POST", "PUT", "DELETE"}) {
    CAPTURE(method);
    CHECK_FALSE(ask(port, fmt::format("{} /zerocast HTTP/1.0\r\nContent-Length: 0\r\n\r\n", method))
                    .starts_with("HTTP/1.1 200"));
  }
  CHECK(answers(port));

  {
    std::vector<UniqueFd> silent;
    for (int i = 0; i < 24; ++i) {
      silent.push_back(connect_to(port));
      REQUIRE(silent.back());
      if (i % 2 == 0) send_text(silent.back(), "GET /met");
    }
    CHECK(answers(port));  // they are hung up on in time
  }
  {
    std::vector<UniqueFd> many;
    for (int i = 0; i < 200; ++i) {
      many.push_back(connect_to(port));
      REQUIRE(many.back());
      CHECK(send_text(many.back(), kScrape));
    }
    for (const UniqueFd& one : many) CHECK(receive_all(one).starts_with("HTTP/1.1 200"));
  }
  CHECK(rig.process().running());
  CHECK(rig.client().sessions()->empty());
  CHECK(eventually([&] { return rig.open_files() <= files; }));
}
