#pragma once
// From the socket's thread to the jobs' threads: each job has a mailbox under the id of its prompt.
// Thread-safe.

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "connectors/comfyui/events.h"
#include "connectors/comfyui/run.h"

namespace emprops::comfyui {

struct SocketUp {
    bool up = false;
};
/// A picture that came over the socket; of the newest ones only the last is kept, unless they are outputs.
struct Picture {
    std::string prompt_id;  ///< empty: the frame named none
    std::string mime_type;
    std::string bytes;
};
using Letter = std::variant<Event, SocketUp, Picture>;

/// Of the pictures that a mailbox holds, and of those that a job keeps as outputs.
constexpr std::size_t max_picture_bytes = std::size_t{256} << 20;

class Mailbox {
  public:
    void put(Letter letter);
    /// Everything that has come. Waits until `until` if there is nothing and nobody woke it.
    std::deque<Letter> take(TimePoint until);
    void wake();
    /// Pictures for which there was no room.
    int pictures_dropped() const;

  private:
    mutable std::mutex mutex_;
    std::condition_variable condition_;
    int dropped_ = 0;
    std::deque<Letter> letters_;
    std::size_t picture_bytes_ = 0;
    bool woken_ = false;
};

/// Who gets what. Events without a prompt id and pictures without one go to all jobs: each knows whether its
/// prompt is the running one.
class Mailboxes {
  public:
    void add(const std::string& prompt_id, const std::shared_ptr<Mailbox>& box);
    void remove(const std::shared_ptr<Mailbox>& box);
    bool waits_for(const std::string& prompt_id) const;
    /// The jobs that live: between the POST and its answer a server-made id is not known yet.
    void add_job(const std::string& job_id);
    void remove_job(const std::string& job_id);
    bool has_job(const std::string& job_id) const;
    bool empty() const;
    void on_text(std::string_view frame);
    void on_binary(std::string_view frame);
    void on_state(bool up);
    bool socket_up() const;
    /// The last event of a prompt that no job here waits for: ComfyUI sends everybody the progress of
    /// prompts that came without a client_id.
    struct Sign {
        std::string prompt_id;
        std::chrono::steady_clock::time_point at;
    };
    Sign last_foreign_sign() const;

  private:
    void to_all(const Letter& letter);
    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Mailbox>> boxes_;
    std::multiset<std::string> jobs_;
    bool up_ = false;
    Sign foreign_;
};

}  // namespace emprops::comfyui
