#pragma once
// The ledger's thread: carries out what takes time at the disk, in order. The methods are called on the event loop; what
// it reports is posted there.

#include <semaphore.h>

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "supervisor/jobs/journal/task.h"

namespace emprops::jobs {

class LedgerThread {
  public:
    /// `disk` outlives it. `on_news`: something is done; may come out of the executor after the end of this object.
    LedgerThread(journal::Disk& disk, boost::asio::any_io_executor executor, std::function<void()> on_news);
    ~LedgerThread();
    LedgerThread(const LedgerThread&) = delete;
    LedgerThread& operator=(const LedgerThread&) = delete;

    void queue(journal::Task task);
    std::vector<journal::TaskDone> take_done();
    /// Carries out what is queued and ends the thread.
    void finish();

  private:
    void run();

    // Shared between the threads, under mutex_.
    std::mutex mutex_;
    std::vector<journal::Task> queue_;
    std::vector<journal::TaskDone> done_;
    bool ending_ = false;
    /// Posted when something is queued: half the system calls of a condition variable.
    ::sem_t woken_{};

    journal::Disk& disk_;
    const boost::asio::any_io_executor executor_;
    const std::function<void()> on_news_;
    std::thread thread_;
};

}  // namespace emprops::jobs
