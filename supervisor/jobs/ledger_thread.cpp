#include "supervisor/jobs/ledger_thread.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace emprops::jobs {

LedgerThread::LedgerThread(journal::Disk& disk, boost::asio::any_io_executor executor,
                           std::function<void()> on_news)
    : disk_(disk), executor_(std::move(executor)), on_news_(std::move(on_news)), thread_([this] { run(); }) {}

void LedgerThread::finish() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    woken_.notify_one();
    thread_.join();
}

std::vector<journal::TaskDone> LedgerThread::take_done() {
    const std::lock_guard lock(mutex_);
    return std::exchange(done_, {});
}

void LedgerThread::queue(journal::Task task) {
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(task));
    }
    woken_.notify_one();
}

void LedgerThread::run() {
    for (;;) {
        std::vector<journal::Task> tasks;
        bool ending = false;
        {
            std::unique_lock lock(mutex_);
            woken_.wait(lock, [this] { return ending_ || !queue_.empty(); });
            tasks.swap(queue_);
            ending = ending_;
        }
        for (const journal::Task& task : tasks) {
            auto done = journal::carry_out(disk_, task);
            bool news = false;
            {
                const std::lock_guard lock(mutex_);
                news = done_.empty();
                done_.push_back(std::move(done));
            }
            if (news) boost::asio::post(executor_, on_news_);
        }
        if (ending) return;  // nothing is queued after the destructor began
    }
}

}  // namespace emprops::jobs
