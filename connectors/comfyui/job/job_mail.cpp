// What the WebSocket says while a job runs.

#include "connectors/comfyui/job/job_run.h"
#include "ipc/overload.h"
#include "ipc/web/base64.h"

namespace emprops::comfyui {

void JobRun::read_mail(TimePoint until) {
    for (Letter& letter : registration_.box()->take(until)) {
        const TimePoint now = Clock::now();
        std::visit(Overload{[&](const Event& event) { take_event(event, now); },
                            [&](const SocketUp& socket) {
                                run_.on_socket(socket.up, now);
                                pictures_.on_socket(socket.up);
                            },
                            [&](Picture& picture) { take_picture(std::move(picture), now); },
                            [&](const RawState& state) {
                                const SocketMessage message = read_message(state.text);
                                if (const auto* event = std::get_if<Event>(&message)) take_event(*event, now);
                                const TimePoint done = Clock::now();
                                registration_.box()->state_read(std::chrono::duration_cast<Ms>(done - now),
                                                                done);
                            },
                            [&](const Missed&) { pictures_.on_missed(); }},
                   letter);
    }
}

void JobRun::take_event(const Event& event, TimePoint now) {
    run_.on_event(event, now);
    if (event.prompt_id != run_.prompt_id()) return;
    heard_ = true;
    if (std::holds_alternative<Started>(event.body)) run_began_ = now;
    if (const auto* node = std::get_if<Executing>(&event.body)) node_ = node->node;
    if (std::holds_alternative<Ended>(event.body)) node_.clear();
    pictures_.on_event(event.body);
    progress_.on_event(event.body);
}

void JobRun::take_picture(Picture picture, TimePoint now) {
    // A frame without an id is ours only while our prompt is the running one.
    if (picture.prompt_id.empty() ? node_.empty() : picture.prompt_id != run_.prompt_id()) return;
    const bool shown = settings_.previews.enabled && picture.bytes.size() <= settings_.previews.max_bytes &&
                       now - preview_at_ >= settings_.previews.interval;
    Json preview;
    if (shown) preview = {{"mime_type", picture.mime_type}, {"data", web::base64_encode(picture.bytes)}};
    if (pictures_.on_picture(std::move(picture.node), std::move(picture.mime_type), std::move(picture.bytes)))
        return;
    if (!shown) return;
    preview_at_ = now;
    preview_ = std::move(preview);
}

/// Another submission: what the last one showed is of no account.
void JobRun::begin_again() {
    progress_.restart();
    pictures_.restart();
    heard_ = false;
    node_.clear();
    run_began_.reset();
    preview_ = nullptr;
}

}  // namespace emprops::comfyui
