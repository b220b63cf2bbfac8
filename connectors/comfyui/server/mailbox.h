#pragma once
// From the socket's thread to the jobs' threads: each job has a mailbox under the id of its prompt.
// Thread-safe. What comes from outside is bounded, in number and in bytes, per box and in all boxes together;
// where something had to be dropped, the job is told so.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "connectors/comfyui/run/time.h"
#include "connectors/comfyui/text/events.h"

namespace emprops::comfyui {

struct SocketUp {
    bool up = false;
};
/// A picture that came over the socket.
struct Picture {
    std::string prompt_id;  ///< empty: the frame named none
    std::string node;       ///< empty: the frame named none
    std::string mime_type;
    std::string bytes;
};
/// The newest `progress_state` of a prompt, not parsed yet: of several that wait only this one counts.
struct RawState {
    std::string prompt_id;
    std::string text;
};
/// Something was dropped here, since there was no room.
struct Missed {
    bool picture = false;
};
using Letter = std::variant<Event, SocketUp, Picture, NodeText, RawState, Missed>;

struct MailLimits {
    std::size_t letters = 20'000;                    ///< that wait in one box, pictures included
    std::size_t bytes = std::size_t{256} << 20;      ///< of what waits in one box
    std::size_t all_bytes = std::size_t{512} << 20;  ///< of what waits in all boxes
    std::size_t frame = std::size_t{32} << 20;       ///< a longer text frame is not parsed: the history tells
};

/// Of the pictures that a job keeps as outputs.
constexpr std::size_t max_picture_bytes = std::size_t{256} << 20;

/// What waits in all boxes.
using MailTotal = std::shared_ptr<std::atomic<std::size_t>>;

class Mailbox {
  public:
    explicit Mailbox(MailLimits limits = {}, MailTotal total = std::make_shared<std::atomic<std::size_t>>(0));
    ~Mailbox();
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;

    void put(Letter letter);
    /// Everything that has come. Waits until `until` if there is nothing and nobody woke it. A RawState comes
    /// last, and not before the time that state_read() set.
    std::deque<Letter> take(TimePoint until);
    /// Parsing the last RawState took so long: a share of a thread's time, not all of it, goes into that.
    void state_read(Ms took, TimePoint now);
    void wake();

  private:
    void put_locked(Letter letter);
    bool has_room(std::size_t bytes) const;

    const MailLimits limits_;
    const MailTotal total_;
    std::mutex mutex_;
    std::condition_variable condition_;
    std::deque<Letter> letters_;
    std::optional<RawState> state_;
    TimePoint state_due_{};
    std::size_t bytes_ = 0;  // of letters_
    bool woken_ = false;
};

/// Who gets what. Events, pictures and texts without a prompt id go to all jobs: each knows whether its prompt is
/// the running one.
class Mailboxes {
  public:
    explicit Mailboxes(MailLimits limits = {});
    std::shared_ptr<Mailbox> make_box() const;
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
    void on_state(bool up, const std::string& why_not = {});
    bool socket_up() const;
    std::string why_no_socket() const;
    /// So many bytes have come over the socket, also of frames that are not whole yet: it still has something
    /// to give.
    void on_bytes(std::size_t count) { heard_ += count; }
    std::size_t heard() const { return heard_; }
    /// The last event of a prompt that no job here waits for: ComfyUI sends everybody the progress of
    /// prompts that came without a client_id.
    struct Sign {
        std::string prompt_id;
        TimePoint at;
    };
    Sign last_foreign_sign() const;

  private:
    void to_all(const Letter& letter);
    const MailLimits limits_;
    const MailTotal total_ = std::make_shared<std::atomic<std::size_t>>(0);
    std::atomic<std::size_t> heard_{0};
    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Mailbox>> boxes_;
    std::multiset<std::string> jobs_;
    bool up_ = false;
    std::string why_not_up_ = "it is not connected yet";
    Sign foreign_;
};

}  // namespace emprops::comfyui
