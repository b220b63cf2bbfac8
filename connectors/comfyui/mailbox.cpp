#include "connectors/comfyui/mailbox.h"

namespace emprops::comfyui {

// A job that uploads or downloads does not look; pictures must not pile up meanwhile.
void Mailbox::put(Letter letter) {
    const std::lock_guard lock(mutex_);
    if (const auto* picture = std::get_if<Picture>(&letter)) {
        if (picture_bytes_ + picture->bytes.size() > max_picture_bytes) {
            ++dropped_;
            return;
        }
        picture_bytes_ += picture->bytes.size();
    }
    letters_.push_back(std::move(letter));
    condition_.notify_one();
}

std::deque<Letter> Mailbox::take(TimePoint until) {
    std::unique_lock lock(mutex_);
    condition_.wait_until(lock, until, [this] { return woken_ || !letters_.empty(); });
    woken_ = false;
    picture_bytes_ = 0;
    return std::exchange(letters_, {});
}

int Mailbox::pictures_dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
}

void Mailbox::wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    condition_.notify_one();
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
    SocketMessage message = read_message(frame);
    auto* event = std::get_if<Event>(&message);
    if (event == nullptr) return;
    const std::lock_guard lock(mutex_);
    if (event->prompt_id.empty()) return to_all(*event);
    const auto box = boxes_.find(event->prompt_id);
    if (box != boxes_.end()) {
        box->second->put(std::move(*event));
    } else {
        foreign_ = {event->prompt_id, std::chrono::steady_clock::now()};
    }
}

void Mailboxes::on_binary(std::string_view frame) {
    const auto preview = read_preview(frame);
    if (!preview) return;
    Picture picture{preview->prompt_id, preview->mime_type, std::string(preview->picture)};
    const std::lock_guard lock(mutex_);
    if (picture.prompt_id.empty()) return to_all(picture);
    const auto box = boxes_.find(picture.prompt_id);
    if (box != boxes_.end()) box->second->put(std::move(picture));
}

void Mailboxes::on_state(bool up) {
    const std::lock_guard lock(mutex_);
    up_ = up;
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
