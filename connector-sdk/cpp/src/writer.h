#pragma once
// The one place that writes to the supervisor: a queue and a thread. All functions may be called from any
// thread and return at once (except send_raw and flush), also when the supervisor does not read.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "connector-sdk/cpp/src/job_outlet.h"
#include "connector-sdk/cpp/src/outgoing_queue.h"

namespace emprops::sdk {

class Writer : public JobOutlet {
  public:
    /// Owns `fd`. `on_broken` is called once, on the writer's thread, when the supervisor no longer takes
    /// anything.
    Writer(int fd, std::function<void()> on_broken);
    /// Writes nothing more. The thread must not be blocked in a write (see flush()).
    ~Writer() override;
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    void set_max_line_bytes(std::size_t bytes);
    void send(std::string line) override;
    void send_droppable(std::string line) override;
    void progress(ipc::Progress progress) override;
    void finish(const std::string& job_id, std::string line);

    /// Bytes as they are, behind what waits; returns when they are written (or never will be).
    void send_raw(std::string bytes);
    /// Waits until everything is written.
    void flush();
    /// Closes the supervisor's end at once; what comes later is thrown away.
    void close();

  private:
    void run();
    void report_dropped();
    bool write_all(std::string_view bytes);

    std::atomic<int> fd_;
    std::function<void()> on_broken_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable idle_;
    OutgoingQueue queue_;
    std::uint64_t reported_dropped_ = 0;
    bool writing_ = false;
    bool broken_ = false;
    bool stop_ = false;
    std::thread thread_;
};

}  // namespace emprops::sdk
