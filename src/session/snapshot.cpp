#include "session/snapshot.h"

#include "base/quote.h"
#include "capture/make_source.h"
#include "encode/png.h"
#include "media/format_table.h"
#include "output/new_file.h"
#include "session/follow_formats.h"
#include "session/frame_mailbox.h"
#include "session/picture_input.h"
#include "session/pipeline_factory.h"

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace zc {
namespace {

/// Pictures that the importer may refuse before there is none to be had; each time the source is asked for others.
constexpr int kMostTries = 8;

/// Hears the source until there is a picture. `ends` hears that none will come.
class FirstPictures final : public SourceListener {
 public:
  FirstPictures(FrameMailbox& mailbox, std::stop_source ends) : mailbox_(mailbox), ends_(std::move(ends)) {}

  // Source's thread.
  void on_frame(Frame frame) override {
    frame.arrived = monotonic_now();
    if (frame.has_image()) {
      const std::lock_guard lock(mutex_);
      come_ = true;
    }
    mailbox_.put(std::move(frame));
  }
  void on_state(SourceState state, const Error* error) override {
    if (state != SourceState::Ended) return;
    const std::lock_guard lock(mutex_);
    end_ = error == nullptr ? Error{.kind = ErrorKind::Lost, .operation = "capture", .detail = "the source ended"}
                            : *error;
    if (!come_) ends_.request_stop();
  }

  /// What came was of no use.
  void want_another() {
    const std::lock_guard lock(mutex_);
    come_ = false;
    if (end_) ends_.request_stop();
  }
  [[nodiscard]] std::optional<Error> end() const {
    const std::lock_guard lock(mutex_);
    return end_;
  }

 private:
  FrameMailbox& mailbox_;
  mutable std::mutex mutex_;
  std::stop_source ends_;
  bool come_ = false;  ///< a picture, which nobody has refused
  std::optional<Error> end_;
};

std::unexpected<Failure> failed(Part part, Error error) { return std::unexpected(Failure{part, std::move(error)}); }

}  // namespace

std::expected<Surface, Failure> first_picture(RecordingOptions options, const std::stop_token& stop) {
  std::stop_source ends;
  const std::stop_callback on_stop(stop, [&ends] { ends.request_stop(); });
  options.source_options.stop = ends.get_token();
  FrameMailbox mailbox;
  FirstPictures pictures(mailbox, ends);
  std::unique_ptr<Source> source;  // dies after the importer, which may hold its pictures
  FormatTable formats;
  PipelineFactory factory(options, formats);
  Layers none({.news = [] {}, .changed = [](const std::string&, const Error*) {}});
  PictureInput intake(mailbox, factory, formats, none);
  if (auto opened = factory.open_importer(); !opened) return failed(Part::Settings, std::move(opened.error()));
  auto made = make_source(options.source, options.source_options);
  if (!made) return failed(Part::Settings, std::move(made.error()));
  source = std::move(*made);
  intake.set_source(*source);
  if (auto started = source->start(formats.begin(monotonic_now()), pictures); !started) {
    return failed(Part::Source, std::move(started.error()));
  }
  for (int tries = 1;; ++tries) {
    auto frame = intake.wait_for_picture(ends.get_token(), true);
    if (!frame) {
      if (auto end = pictures.end()) frame.error().error = *std::move(end);
      return std::unexpected(std::move(frame.error()));
    }
    if (auto fits = factory.check_crop(*frame); !fits) return failed(Part::Settings, std::move(fits.error()));
    auto still = factory.make_still(*frame);
    if (still) return std::move(*still);
    const bool others = still.error().kind == ErrorKind::Unsupported && tries < kMostTries;
    const auto asked = follow_formats(formats, Came::as(*frame), &still.error(),
                                      [&source](const FormatOffer& offer) { return source->renegotiate(offer); });
    if (!others || !asked) return failed(Part::Source, asked ? still.error() : asked.error());
    pictures.want_another();
  }
}

Result<void> check_png_name(std::string_view path) {
  if (path.ends_with(".png") || path.ends_with(".PNG")) return {};
  return fail(ErrorKind::Invalid, "write " + in_quotes(path), "a picture is a PNG file: its name ends in .png");
}

Result<void> save_png(Surface picture, const FileOutput& output) {
  auto file = NewFile::create(output);
  if (!file) return std::unexpected(std::move(file.error()));
  const auto png = png_of(std::move(picture));
  if (!png) return std::unexpected(png.error());
  if (auto written = file->write(*png); !written) return written;
  return file->finish();
}

}  // namespace zc
