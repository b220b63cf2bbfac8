#include "connectors/comfyui/job/picture_wait.h"

#include <algorithm>

#include "connectors/comfyui/job/raise.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

constexpr Ms look_pause{200};
constexpr Ms shortest_wait_for_socket{5'000};
// A socket that gives less than this in that time has nothing to give: others' messages come all the time.
constexpr Ms quiet{10'000};
constexpr std::size_t little = std::size_t{64} << 10;
// It is asked to let go at once. A prompt that is sent before it did would lose its pictures with it.
constexpr Ms longest_letting_go{10'000};

}  // namespace

void PictureWait::need_socket() const {
    const Node* node = pictures_.known();
    if (node == nullptr) return;
    const auto& targets = scope_.payload.targets;
    if (!targets.empty() && !text::has_item(targets, node->id)) return;
    const Shared& shared = scope_.shared;
    const std::string what = "node " + std::string(text::cut(node->id, 100)) + " (" + node->class_type +
                             ") sends its pictures over ComfyUI's WebSocket only";
    if (shared.socket == nullptr) {
        raise(failure_of(
            Cause::no_socket_here,
            what + ", and this worker uses none (websocket = false); use SaveImage, or another worker"));
    }
    const TimePoint until =
        Clock::now() + std::max(scope_.settings().limits.connect, shortest_wait_for_socket);
    if (!shared.boxes.socket_up()) shared.socket->reconnect();
    while (!shared.boxes.socket_up() && Clock::now() < until) {
        if (scope_.cancelled()) raise_cancelled();
        mail_.read(Clock::now() + look_pause);
    }
    if (shared.boxes.socket_up()) return;
    raise(failure_of(Cause::socket_down, what + ", and the WebSocket of " + scope_.settings().server.text() +
                                             " cannot be used: " + shared.boxes.why_no_socket() +
                                             ". The prompt was not sent"));
}

std::vector<MissingPictures> PictureWait::missing(const Run& run) const {
    const Outcome& outcome = run.outcome();
    return pictures_.missing(outcome.outputs, run.output_nodes(), outcome.cached_nodes);
}

void PictureWait::wait(const Run& run) const {
    if (run.outcome().origin.was_over) return;
    const Mailboxes& boxes = scope_.shared.boxes;
    const TimePoint limit = Clock::now() + scope_.settings().limits.download;
    TimePoint given = Clock::now();
    std::size_t heard = boxes.heard();
    while (!pictures_.over() && boxes.socket_up() && !scope_.cancelled() && Clock::now() < limit &&
           !missing(run).empty()) {
        mail_.read(Clock::now() + look_pause);
        if (boxes.heard() - heard >= little) {
            heard = boxes.heard();
            given = Clock::now();
        }
        if (Clock::now() - given >= quiet) return;
    }
}

std::set<std::string> PictureWait::run_again(Run& run) const {
    auto lacking = missing(run);
    lacking.erase(std::remove_if(lacking.begin(), lacking.end(),
                                 [this](const auto& each) { return !scope_.is_asked_for(each.node); }),
                  lacking.end());
    if (lacking.empty()) return {};
    if (scope_.cancelled()) raise_cancelled("cancelled while waiting for pictures");
    const std::string numbers = missing_text(lacking);
    if (pictures_.dropped() > 0) too_large(numbers, run.outcome());
    const bool deaf = !mail_.heard() && !run.outcome().origin.was_over && scope_.shared.boxes.socket_up();
    if (scope_.shared.socket == nullptr ||
        !run.pictures_missing("only " + numbers + " came over the WebSocket; ran again", Clock::now())) {
        lost(numbers, run.outcome());
    }
    if (deaf) new_socket();
    std::set<std::string> nodes;
    for (const auto& each : lacking) {
        nodes.insert(each.node);
    }
    return nodes;
}

void PictureWait::too_large(const std::string& numbers, const Outcome& outcome) const {
    scope_.clean_up(true);
    Failure failure = failure_of(Cause::result_too_large,
                                 "the pictures that came over ComfyUI's WebSocket have more than " +
                                     human_bytes(max_picture_bytes) + " together (kept: " + numbers +
                                     "); let SaveImage store them");
    failure.details["prompt_id"] = outcome.prompt_id;
    raise(failure);
}

void PictureWait::lost(const std::string& numbers, const Outcome& outcome) const {
    scope_.clean_up(true);
    Failure failure = failure_of(
        Cause::pictures_lost,
        "pictures that travel over ComfyUI's WebSocket only did not all come: " + numbers +
            (scope_.shared.socket == nullptr ? "; this worker uses no WebSocket (websocket = false)"
                                             : ", also when it was run again") +
            ". SaveImage stores them, so that they cannot be lost");
    failure.details["prompt_id"] = outcome.prompt_id;
    if (!outcome.notes.empty()) failure.details["notes"] = outcome.notes;
    raise(failure);
}

void PictureWait::new_socket() const {
    scope_.shared.socket->reconnect();
    const TimePoint until = Clock::now() + longest_letting_go;
    while (scope_.shared.boxes.socket_up() && Clock::now() < until && !scope_.cancelled()) {
        mail_.read(Clock::now() + look_pause / 10);
    }
}

}  // namespace emprops::comfyui
