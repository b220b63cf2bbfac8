#include "connectors/comfyui/run/judge.h"

#include <utility>

#include "connectors/comfyui/run/failures.h"
#include "connectors/comfyui/run/look.h"
#include "ipc/text/utf8.h"

namespace emprops::comfyui {

Judge::Verdict Judge::failed(Failure failure) {
    outcome_.failure = std::move(failure);
    return End{Outcome::Kind::failed};
}

Judge::Verdict Judge::ended(Submission& submission, const Entry& entry, bool cancelled, bool withdrawn) {
    if (!entry.unreadable.empty()) return unreadable(submission, entry.unreadable, !cancelled && !withdrawn);
    submission.not_finite = entry.not_finite;
    submission.too_deep = entry.too_deep;
    submission.ending = read_ending(entry.entry);
    Json outputs = std::exchange(submission.ending.outputs, Json());
    if (submission.ending.error) {
        outcome_.outputs = std::move(outputs);
        return node_failed(*submission.ending.error, !cancelled && !withdrawn);
    }
    if (submission.ending.interrupted) {
        if (cancelled) return End{Outcome::Kind::cancelled};
        return failed(interrupted_failure());
    }
    if (!is_success(entry.entry)) {
        outcome_.outputs = std::move(outputs);
        return failed(no_reason_failure(status_of(entry.entry)));
    }
    if (submission.place.outputs().empty()) submission.place.set_outputs(outputs_of(entry.entry));
    if (outputs.empty()) outputs = submission.told.outputs();
    return succeeded(submission, std::move(outputs), withdrawn);
}

/// What the events told may be all that there is to know.
Judge::Verdict Judge::unreadable(Submission& submission, const std::string& answer, bool may_run_again) {
    const Told& told = submission.told;
    if (told.error()) return node_failed(*told.error(), may_run_again);
    if (!told.is_whole()) return failed(unreadable_failure(answer));
    outcome_.note("ComfyUI could not give the history entry (" + answer +
                  "); outputs are those that the events named");
    return succeeded(submission, told.outputs(), false);
}

Judge::Verdict Judge::succeeded(Submission& submission, Json outputs, bool withdrawn) {
    const std::vector<std::string>& ran = submission.place.outputs();
    // All from the cache and nothing named: the pictures exist somewhere, and only a new run says where. (A
    // run that did something and names nothing has output nodes that show nothing.)
    if (outputs.empty() && !submission.told.executing_seen() && !made_anew_ && !withdrawn &&
        graph_.all_cached(submission.cached_nodes(), ran)) {
        made_anew_ = true;
        outcome_.note("ComfyUI took everything from its cache and named no output; ran again");
        return Again{true};
    }
    outcome_.outputs = std::move(outputs);
    if (submission.answer_lost) {
        const auto ends = graph_.ends_besides(ran);
        if (ran.empty() || !ends.empty()) outcome_.note(lost_answer_note(ends, !ran.empty()));
    }
    if (submission.not_finite > 0) {
        outcome_.note(std::to_string(submission.not_finite) +
                      " numbers of the outputs were NaN or infinite: JSON has no word for them, and they are "
                      "left out");
    }
    if (submission.too_deep > 0) {
        outcome_.note(std::to_string(submission.too_deep) +
                      " values of the outputs were nested too deep, and are left out");
    }
    if (!submission.cached_nodes().empty()) submission.origin.maybe_old = true;
    return End{Outcome::Kind::succeeded};
}

Judge::Verdict Judge::node_failed(const NodeError& error, bool may_run_again) {
    if (is_out_of_memory(error) && !memory_freed_ && may_run_again) {
        memory_freed_ = true;
        outcome_.note("out of memory; unloaded the models and ran again");
        return Again{true};
    }
    outcome_.node_error = error;
    End end{Outcome::Kind::node_failed};
    if (is_sticky_gpu_fault(error)) {
        end.restart = RestartService{
            "a GPU fault that only a restart cures: " + std::string(text::cut(error.message, 200)), true, {}};
    }
    return end;
}

Judge::Verdict Judge::vanished(Submission& submission, bool cancelled) {
    const Told& told = submission.told;
    // The end was seen on the socket, and somebody cleared the history before we read it.
    if (told.error()) return node_failed(*told.error(), !cancelled);
    if (!told.is_whole()) return lost(submission);
    outcome_.note("the history entry was gone; outputs are those that the events named");
    return succeeded(submission, told.outputs(), false);
}

Judge::Verdict Judge::lost(const Submission& submission) {
    // Nobody can take the running prompt out of the queue; with the process it goes. One that ends the
    // process at once may take the word of its begin with it: then it must have been the only one there.
    const Place& place = submission.place;
    const bool died = place.was_gone() && (submission.begun() || (submission.attached && place.was_alone()));
    if (died) ++outcome_.deaths;
    const int deaths = rules_.deaths_before + outcome_.deaths;
    if (died && deaths >= most_deaths && !rules_.machine_is_sick) return failed(poison_failure(deaths));
    if (resubmissions_ >= rules_.max_resubmissions || submission.number >= highest_submission ||
        deaths >= most_deaths) {
        return failed(lost_failure(resubmissions_ > 0, died, rules_.machine_is_sick));
    }
    ++resubmissions_;
    outcome_.note(died ? "ComfyUI ended while the prompt ran; it was sent again"
                       : "the prompt vanished from ComfyUI and was sent again");
    return Again{};
}

bool Judge::may_make_files_again() const {
    // A run of this job that made everything anew has no reason to name files that are not there.
    return outcome_.kind == Outcome::Kind::succeeded && !made_anew_ && outcome_.origin.maybe_old;
}

std::optional<Judge::Again> Judge::files_gone() {
    if (!may_make_files_again()) return {};
    made_anew_ = true;
    outcome_.note("files that ComfyUI named were gone; ran again");
    return Again{true};
}

std::optional<Judge::Again> Judge::pictures_missing(const Submission& submission, const std::string& why) {
    if (outcome_.kind != Outcome::Kind::succeeded || ran_for_pictures_ ||
        submission.number >= highest_submission) {
        return {};
    }
    ran_for_pictures_ = true;
    outcome_.outputs = Json::object();
    outcome_.note(why);
    return Again{};
}

}  // namespace emprops::comfyui
