#include "connectors/comfyui/server/mailbox.h"

#include <algorithm>
#include <utility>

namespace emprops::comfyui {

namespace {

constexpr Ms state_pause{100};
constexpr int state_share = 10;  // of ten parts of a thread's time one goes into parsing progress_state

std::size_t size_of(const Letter& letter) {
    constexpr std::size_t own = 200;
    if (const auto* event = std::get_if<Event>(&letter)) return own + event->bytes;
    if (const auto* picture = std::get_if<Picture>(&letter)) return own + picture->bytes.size();
    if (const auto* text = std::get_if<NodeText>(&letter)) return own + text->text.size();
    if (const auto* state = std::get_if<RawState>(&letter)) return own + state->text.size();
    return 0;
}

}  // namespace

Mailbox::Mailbox(MailLimits limits, MailTotal total) : limits_(limits), total_(std::move(total)) {}

Mailbox::~Mailbox() {
    *total_ -= bytes_ + (state_ ? size_of(*state_) : 0);
}

bool Mailbox::has_room(std::size_t bytes) const {
    return letters_.size() < limits_.letters && bytes_ + bytes <= limits_.bytes &&
           *total_ + bytes <= limits_.all_bytes;
}

void Mailbox::put(Letter letter) {
    const std::lock_guard lock(mutex_);
    if (auto* state = std::get_if<RawState>(&letter)) {
        *total_ -= state_ ? size_of(*state_) : 0;
        state_ = std::move(*state);
        *total_ += size_of(*state_);
    } else {
        // What was said before the socket ended stays before its end.
        if (state_ && std::holds_alternative<SocketUp>(letter)) {
            *total_ -= size_of(*state_);
            put_locked(*std::exchange(state_, std::nullopt));
        }
        put_locked(std::move(letter));
    }
    condition_.notify_one();
}

// A job that uploads or downloads does not look; what comes must not pile up meanwhile.
void Mailbox::put_locked(Letter letter) {
    const std::size_t bytes = size_of(letter);
    if (bytes > 0 && !has_room(bytes)) {
        const Missed missed{std::holds_alternative<Picture>(letter)};
        const auto* last = letters_.empty() ? nullptr : std::get_if<Missed>(&letters_.back());
        if (last == nullptr || last->picture != missed.picture) letters_.push_back(missed);
        return;
    }
    bytes_ += bytes;
    *total_ += bytes;
    letters_.push_back(std::move(letter));
}

std::deque<Letter> Mailbox::take(TimePoint until) {
    std::unique_lock lock(mutex_);
    const auto something = [this] { return woken_ || !letters_.empty(); };
    while (!something()) {
        const TimePoint now = Clock::now();
        const TimePoint limit = state_ ? std::min(until, state_due_) : until;
        if (now >= limit) break;
        condition_.wait_until(lock, limit);
    }
    woken_ = false;
    auto out = std::exchange(letters_, {});
    *total_ -= std::exchange(bytes_, 0);
    if (state_ && Clock::now() >= state_due_) {
        *total_ -= size_of(*state_);
        out.emplace_back(*std::exchange(state_, std::nullopt));
    }
    return out;
}

void Mailbox::state_read(Ms took, TimePoint now) {
    const std::lock_guard lock(mutex_);
    state_due_ = now + std::max(state_pause, took * state_share);
}

void Mailbox::wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    condition_.notify_one();
}

Mailboxes::Mailboxes(MailLimits limits) : limits_(limits) {}

std::shared_ptr<Mailbox> Mailboxes::make_box() const {
    return std::make_shared<Mailbox>(limits_, total_);
}

void Mailboxes::add(const std::string& prompt_id, const std::shared_ptr<Mailbox>& box) {
    const std::lock_guard lock(mutex_);
    boxes_[prompt_id] = box;
}

void Mailboxes::remove(const std::shared_ptr<Mailbox>& box) {
    const std::lock_guard lock(mutex_);
    for (auto at = boxes_.begin(); at != boxes_.end();) {
        at = at->second == box ? boxes_.erase(at) : std::next(at);
    }
}

bool Mailboxes::waits_for(const std::string& prompt_id) const {
    const std::lock_guard lock(mutex_);
    return boxes_.count(prompt_id) > 0;
}

void Mailboxes::add_job(const std::string& job_id) {
    const std::lock_guard lock(mutex_);
    jobs_.insert(job_id);
}

void Mailboxes::remove_job(const std::string& job_id) {
    const std::lock_guard lock(mutex_);
    if (const auto at = jobs_.find(job_id); at != jobs_.end()) jobs_.erase(at);
}

bool Mailboxes::has_job(const std::string& job_id) const {
    const std::lock_guard lock(mutex_);
    return jobs_.count(job_id) > 0;
}

bool Mailboxes::empty() const {
    const std::lock_guard lock(mutex_);
    return jobs_.empty();
}

void Mailboxes::to_all(const Letter& letter) {
    std::set<Mailbox*> done;  // a job may have several ids
    for (const auto& entry : boxes_) {
        if (done.insert(entry.second.get()).second) entry.second->put(letter);
    }
}

void Mailboxes::on_text(std::string_view frame) {
    if (const auto prompt = progress_state_prompt(frame)) {
        const std::lock_guard lock(mutex_);
        const auto box = boxes_.find(std::string(*prompt));
        if (box != boxes_.end()) {
            if (frame.size() <= limits_.frame) box->second->put(RawState{box->first, std::string(frame)});
        } else {
            foreign_ = {std::string(*prompt), Clock::now()};
        }
        return;
    }
    if (frame.size() > limits_.frame) {
        const std::lock_guard lock(mutex_);
        return to_all(Missed{});
    }
    SocketMessage message = read_message(frame);
    auto* event = std::get_if<Event>(&message);
    if (event == nullptr) return;
    event->bytes = frame.size();
    const std::lock_guard lock(mutex_);
    if (event->prompt_id.empty()) return to_all(*event);
    const auto box = boxes_.find(event->prompt_id);
    if (box != boxes_.end()) {
        box->second->put(std::move(*event));
    } else {
        foreign_ = {event->prompt_id, Clock::now()};
    }
}

void Mailboxes::on_binary(std::string_view frame) {
    if (auto text = read_node_text(frame)) {
        const std::lock_guard lock(mutex_);
        return to_all(*std::move(text));
    }
    const auto preview = read_preview(frame);
    if (!preview) return;
    Picture picture{preview->prompt_id, preview->node, preview->mime_type, std::string(preview->picture)};
    const std::lock_guard lock(mutex_);
    if (picture.prompt_id.empty()) return to_all(picture);
    const auto box = boxes_.find(picture.prompt_id);
    if (box != boxes_.end()) box->second->put(std::move(picture));
}

std::string Mailboxes::why_no_socket() const {
    const std::lock_guard lock(mutex_);
    return why_not_up_;
}

void Mailboxes::on_state(bool up, const std::string& why_not) {
    const std::lock_guard lock(mutex_);
    up_ = up;
    why_not_up_ = why_not;
    to_all(SocketUp{up});
}

bool Mailboxes::socket_up() const {
    const std::lock_guard lock(mutex_);
    return up_;
}

Mailboxes::Sign Mailboxes::last_foreign_sign() const {
    const std::lock_guard lock(mutex_);
    return foreign_;
}

}  // namespace emprops::comfyui
