#include "supervisor/jobs/ledger_thread.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace emprops::jobs {

LedgerThread::LedgerThread(journal::Disk& disk, boost::asio::any_io_executor executor,
                           std::function<void()> on_news)
    : disk_(disk), executor_(std::move(executor)), on_news_(std::move(on_news)) {
    ::sem_init(&woken_, 0, 0);
    thread_ = std::thread([this] { run(); });
}

LedgerThread::~LedgerThread() {
    finish();
    ::sem_destroy(&woken_);
}

void LedgerThread::finish() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    ::sem_post(&woken_);
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
    ::sem_post(&woken_);
}

void LedgerThread::run() {
    for (;;) {
        while (::sem_wait(&woken_) != 0) {  // interrupted by a signal
        }
        std::vector<journal::Task> tasks;
        bool ending = false;
        {
            const std::lock_guard lock(mutex_);
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
