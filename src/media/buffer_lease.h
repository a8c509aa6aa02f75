#pragma once

#include <memory>
#include <utility>

namespace zc {

/// The right to read one buffer of a producer. Move-only; the destructor gives the buffer back, from whichever thread
/// it runs on. The owner's return function must therefore be thread-safe, must not block and must not allocate.
class BufferLease {
 public:
  using ReturnFunction = void (*)(void* owner, void* token) noexcept;

  BufferLease() noexcept = default;
  /// `owner` stays alive as long as the lease does; `token` names the buffer to the owner.
  BufferLease(std::shared_ptr<void> owner, void* token, ReturnFunction give_back) noexcept
      : owner_(std::move(owner)), token_(token), give_back_(give_back) {}
  BufferLease(BufferLease&& other) noexcept { swap(other); }
  BufferLease& operator=(BufferLease&& other) noexcept {
    BufferLease dying(std::move(other));
    swap(dying);
    return *this;
  }
  BufferLease(const BufferLease&) = delete;
  BufferLease& operator=(const BufferLease&) = delete;
  ~BufferLease() { reset(); }

  explicit operator bool() const noexcept { return give_back_ != nullptr; }

  /// Gives the buffer back now.
  void reset() noexcept {
    if (const auto give_back = std::exchange(give_back_, nullptr)) give_back(owner_.get(), token_);
    owner_.reset();
  }

 private:
  void swap(BufferLease& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(token_, other.token_);
    std::swap(give_back_, other.give_back_);
  }

  std::shared_ptr<void> owner_;
  void* token_ = nullptr;
  ReturnFunction give_back_ = nullptr;
};

}  // namespace zc
