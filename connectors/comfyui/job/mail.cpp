#include "connectors/comfyui/job/mail.h"

#include <utility>

#include "ipc/overload.h"

namespace emprops::comfyui {

Registration::Registration(Mailboxes& boxes, std::string job_id)
    : boxes_(boxes), job_id_(std::move(job_id)), box_(boxes.make_box()) {
    boxes_.add_job(job_id_);
}

Registration::~Registration() {
    boxes_.remove(box_);
    boxes_.remove_job(job_id_);
}

void Mail::read(TimePoint until) {
    for (Letter& letter : box_.take(until)) {
        const TimePoint now = Clock::now();
        std::visit(Overload{[&](const Event& event) { take(event, now); },
                            [&](const SocketUp& socket) {
                                run_.on_socket(socket.up, now);
                                pictures_.on_socket(socket.up);
                            },
                            [&](Picture& picture) { take(picture, now); },
                            [&](const NodeText& text) { take(text, now); },
                            [&](const RawState& state) {
                                const SocketMessage message = read_message(state.text);
                                if (const auto* event = std::get_if<Event>(&message)) take(*event, now);
                                const TimePoint done = Clock::now();
                                box_.state_read(since(now, done), done);
                            },
                            [&](const Missed&) { pictures_.on_missed(); }},
                   letter);
    }
}

void Mail::take(const Event& event, TimePoint now) {
    run_.on_event(event, now);
    if (event.prompt_id != run_.prompt_id()) return;
    heard_ = true;
    if (const auto* node = std::get_if<Executing>(&event.body)) node_ = node->node;
    if (std::holds_alternative<Ended>(event.body)) node_.clear();
    pictures_.on_event(event.body);
    report_.on_event(event.body, now);
}

void Mail::take(Picture& picture, TimePoint now) {
    // A frame without an id is ours only while our prompt is the running one.
    if (picture.prompt_id.empty() ? node_.empty() : picture.prompt_id != run_.prompt_id()) return;
    Json preview = report_.preview_of(picture, now);
    const bool kept =
        pictures_.on_picture(std::move(picture.node), std::move(picture.mime_type), std::move(picture.bytes));
    if (!kept) report_.show(std::move(preview), now);
}

void Mail::take(const NodeText& text, TimePoint now) {
    // Everybody gets it, and ComfyUI runs one prompt at a time.
    if (node_.empty()) return;
    run_.on_sign(now);
    report_.on_text(text);
}

void Mail::restart() {
    pictures_.restart();
    report_.restart();
    heard_ = false;
    node_.clear();
}

}  // namespace emprops::comfyui
