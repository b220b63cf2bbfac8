// Pictures that travel over the WebSocket only: no socket, no run; and no success before all of them came.

#include <algorithm>

#include "connectors/comfyui/job/job_run.h"
#include "ipc/text/utf8.h"

namespace emprops::comfyui {
namespace {

constexpr Ms look{200};
constexpr Ms shortest_wait_for_socket{5'000};
// A socket that gives less than this in that time has nothing to give: others' messages come all the time.
constexpr Ms quiet{10'000};
constexpr std::size_t little = std::size_t{64} << 10;
constexpr Ms reconnect_wait{1'000};

}  // namespace

/// Refuses a workflow whose pictures nobody would hear, before ComfyUI runs it.
void JobRun::need_socket() {
    const Node* node = pictures_.known();
    if (node == nullptr) return;
    const auto& targets = payload_.targets;
    if (!targets.empty() && std::find(targets.begin(), targets.end(), node->id) == targets.end()) return;
    const std::string what = "node " + std::string(text::cut(node->id, 100)) + " (" + node->class_type +
                             ") sends its pictures over ComfyUI's WebSocket only";
    if (shared_.socket == nullptr) {
        raise(Failure{
            "unsupported",
            what + ", and this worker uses none (websocket = false); use SaveImage, or another worker",
            true,
            {{"class", "no_websocket"}}});
    }
    const TimePoint until = Clock::now() + std::max(settings_.limits.connect, shortest_wait_for_socket);
    if (!shared_.boxes.socket_up()) shared_.socket->reconnect();
    while (!shared_.boxes.socket_up() && Clock::now() < until) {
        if (cancelled_()) raise(Failure{"cancelled", "cancelled", false, Json::object()});
        read_mail(Clock::now() + look);
    }
    if (shared_.boxes.socket_up()) return;
    raise(Failure{"service_unavailable",
                  what + ", and the WebSocket of " + settings_.server.text() +
                      " cannot be used: " + shared_.boxes.why_no_socket() + ". The prompt was not sent",
                  true,
                  {{"class", "no_websocket"}}});
}

/// The history has the end already; the socket may still have pictures to give.
void JobRun::wait_for_pictures() {
    const Outcome& outcome = run_.outcome();
    if (outcome.origin.was_over) return;
    const TimePoint limit = Clock::now() + settings_.limits.download;
    TimePoint given = Clock::now();
    std::size_t heard = shared_.boxes.heard();
    while (!pictures_.over() && shared_.boxes.socket_up() && !cancelled_() && Clock::now() < limit &&
           !pictures_.missing(outcome.outputs, run_.output_nodes(), outcome.cached_nodes).empty()) {
        read_mail(Clock::now() + look);
        if (shared_.boxes.heard() - heard >= little) {
            heard = shared_.boxes.heard();
            given = Clock::now();
        }
        if (Clock::now() - given >= quiet) return;
    }
}

/// True: pictures are missing, and the prompt is run once more. Throws when that was tried, or cannot help.
bool JobRun::pictures_again() {
    const Outcome& outcome = run_.outcome();
    auto missing = pictures_.missing(outcome.outputs, run_.output_nodes(), outcome.cached_nodes);
    missing.erase(std::remove_if(missing.begin(), missing.end(),
                                 [this](const auto& each) { return !is_asked_for(each.node); }),
                  missing.end());
    if (missing.empty()) return false;
    if (cancelled_())
        raise(Failure{"cancelled", "cancelled while waiting for pictures", false, Json::object()});
    const std::string numbers = missing_text(missing);
    if (pictures_.dropped() > 0) {
        clean_up(true);
        raise(Failure{"result_too_large",
                      "the pictures that came over ComfyUI's WebSocket have more than " +
                          std::to_string(max_picture_bytes >> 20) + " MiB together (kept: " + numbers +
                          "); let SaveImage store them",
                      false,
                      {{"class", "too_large"}, {"prompt_id", outcome.prompt_id}}});
    }
    const bool deaf = !heard_ && shared_.boxes.socket_up();
    const bool again =
        shared_.socket != nullptr &&
        run_.pictures_missing("only " + numbers + " came over the WebSocket; ran again", Clock::now());
    if (again) {
        refresh_.clear();
        for (const auto& each : missing) {
            refresh_.insert(each.node);
        }
        if (deaf) {  // 6.8: it is up, and yet the prompt's events did not come
            shared_.socket->reconnect();
            const TimePoint until = Clock::now() + reconnect_wait;
            while (shared_.boxes.socket_up() && Clock::now() < until && !cancelled_()) {
                read_mail(Clock::now() + look / 10);
            }
        }
        return true;
    }
    clean_up(true);
    Failure failure{"service_error",
                    "pictures that travel over ComfyUI's WebSocket only did not all come: " + numbers,
                    true,
                    {{"class", "pictures_lost"}, {"prompt_id", outcome.prompt_id}}};
    if (shared_.socket == nullptr) {
        failure.message += "; this worker uses no WebSocket (websocket = false)";
    } else {
        failure.message += ", also when it was run again";
    }
    failure.message += ". SaveImage stores them, so that they cannot be lost";
    if (!outcome.notes.empty()) failure.details["notes"] = outcome.notes;
    raise(failure);
}

}  // namespace emprops::comfyui
