#include "web/orders.h"

#include <memory>
#include <utility>

namespace zc::web {
namespace {

constexpr std::size_t kMostOrders = 64;

}  // namespace

Orders::Orders() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

Orders::~Orders() {
  thread_.request_stop();
  changed_.notify_all();
}

bool Orders::post(Order order) {
  {
    const std::lock_guard lock(mutex_);
    if (orders_.size() >= kMostOrders) return false;
    orders_.push_back(std::move(order));
  }
  changed_.notify_all();
  return true;
}

void Orders::run(const std::stop_token& stop) {
  std::unique_ptr<DaemonClient> daemon;
  while (true) {
    Order order;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return !orders_.empty(); })) return;
      order = std::move(orders_.front());
      orders_.pop_front();
    }
    if (!daemon) {
      auto connected = DaemonClient::connect();
      if (!connected) {
        order(std::unexpected(std::move(connected.error())));
        continue;
      }
      daemon = *std::move(connected);
    }
    order(daemon.get());
  }
}

}  // namespace zc::web
