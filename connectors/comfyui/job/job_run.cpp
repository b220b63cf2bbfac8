#include "connectors/comfyui/job/job_run.h"

#include <algorithm>
#include <utility>

#include "connectors/comfyui/job/raise.h"
#include "connectors/comfyui/job/result.h"
#include "connectors/comfyui/run/failures.h"
#include "ipc/overload.h"

namespace emprops::comfyui {
JobRun::JobRun(Groundwork& ground)
    : shared_(ground.shared),
      job_(ground.job),
      context_(ground.context),
      registration_(ground.registration),
      mark_(ground.mark),
      withdrawing_(ground.withdrawing),
      api_(ground.api),
      scope_(ground.scope),
      notes_(job_.work_dir),
      report_(ground.report),
      run_(
          this->rules(), scope_.payload.nodes,
          [this](int n) { return shared_.names.prompt(job_.job_id, mark_.payload, n); }, Clock::now()),
      pictures_(scope_.payload.nodes, shared_.settings.websocket_nodes, max_picture_bytes),
      mail_(*registration_.box(), run_, pictures_, report_),
      sending_(ground.sending),
      picture_wait_(scope_, pictures_, mail_),
      failing_(scope_) {
    registration_.add_prompt(run_.prompt_id());
    run_.on_socket(shared_.boxes.socket_up(), Clock::now());
    context_.on_cancel([box = registration_.box()] { box->wake(); });
}

Json JobRun::go() {
    refuse_poison();
    while (true) {
        drive();
        const Outcome& outcome = run_.outcome();
        if (outcome.abandoned) shared_.monitor.see_off(outcome.unwanted, outcome.doubtful);
        if (outcome.kind == Outcome::Kind::succeeded) {
            shared_.deaths.ended_well(death_key());
            picture_wait_.wait(run_);
            auto nodes = picture_wait_.run_again(run_);
            if (!nodes.empty()) {
                sending_.refresh(std::move(nodes));
                continue;
            }
        } else {
            shared_.deaths.died(death_key(), outcome.deaths);
            if (!scope_.allow_partial() || files_left(scope_, outcome).empty()) failing_.fail(outcome);
        }
        // The GPU is free: the next job may come while this one's files are fetched and brought away.
        if (!shared_.keeps_slot && !may_run_again()) released_ = context_.release();
        if (auto result = deliver()) return std::move(*result);
    }
}

/// Files of an earlier run, or of the cache, may be gone, and then the GPU is needed once more.
bool JobRun::may_run_again() const {
    const Outcome& outcome = run_.outcome();
    if (outcome.origin.earlier || outcome.origin.was_over) return true;
    return std::any_of(outcome.cached_nodes.begin(), outcome.cached_nodes.end(),
                       [&](const std::string& node) { return outcome.outputs.contains(node); });
}

void JobRun::refuse_poison() const {
    const int deaths = shared_.deaths.of(death_key());
    if (deaths < most_deaths || shared_.deaths.others(death_key())) return;
    raise(failure_of(Cause::ended_comfyui, "this workflow ended the ComfyUI process " +
                                               std::to_string(deaths) +
                                               " times before; it is not sent again"));
}

RunRules JobRun::rules() const {
    RunRules out;
    out.limits = shared_.settings.limits;
    out.poll_interval = shared_.settings.poll_interval;
    out.max_resubmissions = shared_.settings.max_resubmissions;
    out.allow_partial = scope_.allow_partial();
    out.resume = job_.resume;
    out.resume_from = job_.resume ? notes_.submission() : std::nullopt;
    // It notes each submission before it sends it; where it did not, it sent none. But the folder goes when
    // the supervisor dies.
    out.may_be_sent = out.resume_from.has_value() || !notes_.begun_before();
    out.deaths_before = shared_.deaths.of(death_key());
    out.machine_is_sick = shared_.deaths.others(death_key());
    out.mark = mark_;
    return out;
}

void JobRun::drive() {
    bool attached = false;
    while (true) {
        mail_.read(Clock::now());
        if (context_.cancelled() && !withdrawing_) withdraw();
        // The id changes with each submission, and old servers give one of their own.
        registration_.add_prompt(run_.prompt_id());
        note_submission(attached);
        attached = run_.attached();
        const Action action = run_.next(Clock::now());
        if (std::holds_alternative<Finish>(action)) return;
        if (std::holds_alternative<Wait>(action)) tell();
        act(action);
        tell();
    }
}

void JobRun::tell() {
    const bool unanswered = run_.unanswered_since().has_value();
    report_.on_trouble(unanswered ? run_.problem() : "");
    // Before it was sent, there is nothing to tell of it.
    if (run_.attached() || unanswered) report_.tell(run_.prompt_id(), Clock::now());
}

void JobRun::withdraw() {
    // The next supervisor gives this job again, and its prompt is looked for.
    if (context_.supervisor_gone()) {
        raise(failure_of(Cause::drained, "the supervisor has gone; the prompt was left in ComfyUI"));
    }
    withdrawing_ = true;
    api_.hurry(std::max(shared_.settings.limits.cancel / 4, Ms{500}));
    run_.cancel(Clock::now());
}

void JobRun::note_submission(bool was_attached) {
    if (run_.attached()) {
        notes_.note_submission(run_.submission());
        if (!was_attached) shared_.monitor.keep(run_.prompt_id());
    }
    if (run_.begun() && begun_ != run_.submission()) {
        begun_ = run_.submission();
        context_.accepted();  // if ComfyUI dies now, this job is the one that it ran
    }
}

void JobRun::act(const Action& action) {
    // The answer is there before the clock is read: it says when the answer came.
    const auto now = [] { return Clock::now(); };
    std::visit(Overload{[&](const SendPrompt& send) {
                            const auto answer = post(send);
                            run_.on_post(answer, now());
                        },
                        [&](const AskHistory& ask) {
                            const auto answer = api_.history(ask.prompt_id);
                            run_.on_history(answer, now());
                        },
                        [&](const AskQueue&) {
                            const auto answer = api_.queue();
                            run_.on_queue(answer, now());
                            report_.on_position(run_.position(), run_.queue_length(), run_.output_nodes(),
                                                now());
                        },
                        [&](const AskRecent&) {
                            const auto answer = api_.recent();
                            run_.on_recent(answer, now());
                        },
                        [&](const CancelJob& cancel) {
                            const auto answer = api_.cancel(cancel.prompt_id);
                            run_.on_cancelled(answer, now());
                        },
                        [&](const DeletePending& remove) {
                            const bool ok = api_.remove_pending(remove.prompt_id);
                            run_.on_done(ok, now());
                        },
                        [&](const Interrupt& interrupt) {
                            const bool ok = api_.interrupt(interrupt.prompt_id);
                            run_.on_done(ok, now());
                        },
                        [&](const FreeMemory&) {
                            const bool ok = api_.free_memory();
                            mail_.restart();
                            sending_.provide_again();
                            run_.on_done(ok, now());
                        },
                        [&](const Reconnect&) {
                            if (shared_.socket != nullptr) shared_.socket->reconnect();
                        },
                        [&](const RestartService& restart) { shared_.monitor.suspect(restart); },
                        [&](const Blocked& blocked) { shared_.monitor.blocked(blocked); },
                        [&](const Wait& wait) { mail_.read(wait.until); }, [&](const Finish&) {}},
               action);
}

PostAnswer JobRun::post(const SendPrompt& send) {
    picture_wait_.need_socket();
    sending_.provide();
    mail_.restart();
    notes_.note_submission(run_.submission());
    // An earlier prompt of this id may have been given up on: this one is wanted.
    shared_.monitor.keep(send.prompt_id);
    context_.service_request("comfyui", "prompt",
                             {{"url", shared_.settings.server.text()},
                              {"prompt_id", run_.prompt_id()},
                              {"nodes", scope_.payload.nodes.size()}});
    auto answer = sending_.post(send);
    for (std::string& note : sending_.take_notes()) {
        run_.note(std::move(note));
    }
    return answer;
}

std::optional<Json> JobRun::deliver() {
    const Outcome& outcome = run_.outcome();
    const bool succeeded = outcome.kind == Outcome::Kind::succeeded;
    try {
        const std::string note = succeeded ? ""
                                           : "not all of the workflow was done (allow_partial): " +
                                                 failing_.failure_of_run(outcome).message;
        ResultMaker maker(scope_, outcome, pictures_, report_, note, released_);
        auto made = maker.make();
        if (auto* result = std::get_if<Json>(&made)) return std::move(*result);
        const OutputFile& gone = std::get<OutputFile>(made);
        if (!succeeded) failing_.fail(outcome);
        // A name that ComfyUI does not serve is none that it would serve after another run.
        if (is_servable(gone) && !released_ && run_.files_gone(Clock::now())) return {};
        const std::string folder = gone.subfolder.empty() ? "" : gone.subfolder + "/";
        // With the slot given back, another run is the next attempt's.
        const bool next_time = is_servable(gone) && released_ && run_.may_make_files_again();
        maker.give_up(failure_of(next_time ? Cause::files_vanished : Cause::files_gone,
                                 "ComfyUI names the output file \"" + folder + gone.filename + "\" (node " +
                                     gone.node +
                                     ") and does not give it: it was deleted meanwhile, or is "
                                     "not in the folder of its type (" +
                                     gone.type + ")"));
    } catch (const JobFailure&) {
        scope_.clean_up(false);  // the outputs stay: the next assignment takes them
        throw;
    }
}

}  // namespace emprops::comfyui
