#pragma once
// A dispatcher with a clock of its own and a readable memory: every action becomes one short line, the ledger
// answers at once unless told otherwise. For the dispatcher's tests.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "supervisor/jobs/dispatcher.h"

namespace emprops::jobs::test {

using Lines = std::vector<std::string>;
using namespace std::chrono_literals;

inline std::string describe(const Capacity& capacity) {
    std::string text = capacity.draining ? "draining" : "types";
    for (const std::string& type : capacity.job_types)
        text += " " + type;
    text += " free";
    for (const auto& [type, count] : capacity.free_slots)
        text += " " + type + ":" + std::to_string(count);
    if (!capacity.ahead.empty()) text += " ahead";
    for (const std::string& type : capacity.ahead)
        text += " " + type;
    return text;
}

/// "give j1 to a attempt 1", "finished j1 crashed", ... Notes have no line.
inline std::string describe(const Action& action) {
    struct Visitor {
        std::string operator()(const RecordJob& a) {
            return "record " + a.assignment.job_id + " on " +
                   (a.note.connector.empty() ? "-" : a.note.connector) +
                   (a.note.with_payload ? " with payload" : "") +
                   (a.note.begun || a.note.connector.empty() ? "" : " not begun");
        }
        std::string operator()(const GiveJob& a) {
            return "give " + a.job.job_id + " to " + process::to_string(a.instance) + " attempt " +
                   std::to_string(a.job.attempt) + (a.job.resume ? " resume" : "") +
                   (a.job.prepare ? " prepare" : "");
        }
        std::string operator()(const BeginJob& a) {
            return "begin " + a.job_id + " at " + process::to_string(a.instance);
        }
        std::string operator()(const TellBegun& a) { return "begun " + a.job_id; }
        std::string operator()(const CancelJob& a) {
            return "cancel " + a.job_id + " at " + process::to_string(a.instance);
        }
        std::string operator()(const JobUnanswered& a) {
            return "unanswered " + a.job_id + " at " + process::to_string(a.instance);
        }
        std::string operator()(const JobEnded& a) {
            return "ended " + a.job_id + " at " + process::to_string(a.instance);
        }
        std::string operator()(const ReplaceInstance& a) {
            return "replace " + process::to_string(a.instance);
        }
        std::string operator()(const StopInstance& a) {
            return "stop " + process::to_string(a.instance) + " " + process::to_string(a.reason);
        }
        std::string operator()(const JudgeService& a) {
            return "judge " + a.connector + (a.verdict == process::ServiceVerdict::job ? " job" : " machine");
        }
        std::string operator()(const CollectFiles& a) {
            return "collect " + a.job_id + " at " + process::to_string(a.instance);
        }
        std::string operator()(const RenumberDelivery& a) {
            return "renumber " + std::to_string(a.from) + " to " + std::to_string(a.to);
        }
        std::string operator()(const ResumeDelivery& a) {
            return "resume delivery " + std::to_string(a.number);
        }
        std::string operator()(const ReportProgress& a) {
            return "progress " + a.job_id + " " + std::to_string(a.progress.progress.value_or(-1));
        }
        std::string operator()(const ForwardServiceRequest& a) { return "service request " + a.job_id; }
        std::string operator()(const Finished& a) {
            const Failed* failed = std::get_if<Failed>(&a.outcome.value);
            return "finished " + a.outcome.job_id + " " + (failed ? failed->error.code : "completed") +
                   (failed && !failed->begun ? " not begun" : "");
        }
        std::string operator()(const Undelivered& a) {
            return "undelivered " + a.job_id + " " + to_string(a.code);
        }
        std::string operator()(const CapacityChanged& a) { return describe(*a.capacity); }
        std::string operator()(const Note&) { return ""; }
    };
    return std::visit(Visitor{}, action);
}

inline bool routine(const Note& note) {
    return note.text.starts_with("given to ") || note.text.starts_with("completed after ") ||
           note.text.starts_with("failed after ") || note.text.starts_with("goes back to the Hub");
}

class Desk {
  public:
    explicit Desk(DispatcherSettings settings = {}) : dispatcher(std::move(settings)) {}

    Dispatcher dispatcher;
    TimePoint now{std::chrono::hours(1)};
    bool ledger_answers = true;
    std::vector<Action> all;         ///< every action ever, in order
    std::vector<std::string> notes;  ///< what is out of the ordinary
    std::vector<std::string> log;    ///< the lines that every job has: given, completed, failed

    /// What happened since the last call, one line per action.
    Lines events() {
        collect();
        return std::exchange(lines, {});
    }
    /// Lets the ledger answer; every helper below does it.
    void collect() {
        for (std::vector<Action> actions = dispatcher.take_actions(); !actions.empty();
             actions = dispatcher.take_actions()) {
            for (Action& action : actions) {
                if (const Note* note = std::get_if<Note>(&action))
                    (routine(*note) ? log : notes).push_back(note->text);
                if (std::string line = describe(action); !line.empty()) lines.push_back(std::move(line));
                if (const RecordJob* record = std::get_if<RecordJob>(&action); record && ledger_answers)
                    dispatcher.recorded(now, record->assignment.number);
                if (const Finished* finished = std::get_if<Finished>(&action); finished && ledger_answers)
                    dispatcher.outcome_recorded(finished->outcome.number);
                all.push_back(std::move(action));
            }
        }
    }
    void forget() { events(); }

    process::InstanceId id(const std::string& connector, int index = 0) const {
        const auto it = generations.find({connector, index});
        return {connector, index, it == generations.end() ? 0 : it->second};
    }

    /// A new process of the connector is ready.
    process::InstanceId ready(const std::string& connector, std::vector<std::string> types,
                              int concurrency = 1, ipc::Features features = {.cancel = true}, int index = 0) {
        ++generations[{connector, index}];
        process::InstanceInfo info;
        info.job_types = std::move(types);
        info.concurrency = concurrency;
        info.features = features;
        info.attached = attached;
        infos[{connector, index}] = info;
        dispatcher.instance_ready(now, id(connector, index), info, policy);
        collect();
        return id(connector, index);
    }
    /// It sends `capabilities`.
    void offers(const process::InstanceId& instance, int concurrency) {
        process::InstanceInfo& info = infos.at({instance.connector, instance.index});
        info.concurrency = concurrency;
        ++info.offers;
        dispatcher.instance_changed(now, instance, info);
        collect();
    }
    void refuses(const process::InstanceId& instance, const std::string& job_id) {
        fails(instance, job_id, ipc::code::not_started);
    }
    void breaks(const process::InstanceId& instance, const std::string& job_id) {
        dispatcher.protocol_error(now, instance, job_id, ipc::code::protocol_error, "NaN at byte 7");
        collect();
    }
    int free(const std::string& type = "t") const {
        const Capacity capacity = dispatcher.capacity();
        const auto found = capacity.free_slots.find(type);
        return found == capacity.free_slots.end() ? 0 : found->second;
    }
    void available(const process::InstanceId& instance, bool is_available) {
        process::InstanceInfo& info = infos.at({instance.connector, instance.index});
        info.available = is_available;
        info.unavailable_reason = is_available ? "" : "port 8188 refuses";
        dispatcher.instance_changed(now, instance, info);
        collect();
    }
    void dies(const process::InstanceId& instance, std::optional<process::StopReason> stopped_for = {}) {
        process::DeathReport report;
        report.signal = 11;
        report.pid = 42;
        report.stopped_for = stopped_for;
        report.stderr_tail = {"loading model", "CUDA error: illegal memory access", " "};
        dispatcher.instance_leaving(now, instance);
        dispatcher.instance_gone(now, instance, report);
        collect();
    }

    void assign(const std::string& job_id, const std::string& type = "t", bool files_here = false) {
        dispatcher.assigned(now, Assignment{job_id, type, 5, {R"({"n":1})"}, ++number}, "w-1", files_here);
        collect();
    }
    /// An earlier worker process had it, and the Hub says that it is still ours.
    void restored(const std::string& job_id, std::uint64_t of_number, const std::string& connector,
                  bool with_payload = true) {
        Assignment assignment{job_id, "t", 0, {R"({"n":2})"}, of_number};
        dispatcher.left({std::move(assignment), {{"w-0"}, connector, 1, with_payload}, {}}, 60s);
        dispatcher.confirmed(now, of_number);
        collect();
    }
    void progress(const process::InstanceId& instance, const std::string& job_id, int percent = 10) {
        ipc::Progress message;
        message.job_id = job_id;
        message.progress = percent;
        dispatcher.progress(now, instance, message);
        collect();
    }
    void result(const process::InstanceId& instance, const std::string& job_id,
                std::string text = R"({"ok":1.10})") {
        dispatcher.result(now, instance, {job_id, {std::move(text)}, {}});
        collect();
    }
    /// A result with one file, which it mentions.
    void result_with_file(const process::InstanceId& instance, const std::string& job_id,
                          std::string text = R"({"image":{"$file":0}})") {
        ipc::ResultFile file;
        file.path = file.name = "a.png";
        dispatcher.result(now, instance, {job_id, {std::move(text)}, {file}});
        collect();
    }
    void releases(const process::InstanceId& instance, const std::string& job_id) {
        dispatcher.released(now, instance, {job_id});
        collect();
    }
    void fails(const process::InstanceId& instance, const std::string& job_id,
               const std::string& code = ipc::code::service_error) {
        dispatcher.failed(now, instance, {job_id, {code, "it said no", true, {}}});
        collect();
    }
    /// Lets time pass as the event loop does: on_time at each wakeup on the way.
    void pass(Ms duration) {
        const TimePoint end = now + duration;
        for (auto next = dispatcher.next_wakeup(); next && *next <= end; next = dispatcher.next_wakeup()) {
            now = std::max(now, *next);
            dispatcher.on_time(now);
            collect();
            const auto after = dispatcher.next_wakeup();
            ASSERT_TRUE(!after || *after > now) << "a wakeup that changes nothing would spin";
        }
        now = end;
    }

    const ipc::JobError& last_error() const {
        for (auto it = all.rbegin(); it != all.rend(); ++it) {
            if (const Finished* finished = std::get_if<Finished>(&*it)) {
                if (const Failed* failed = std::get_if<Failed>(&finished->outcome.value))
                    return failed->error;
            }
        }
        throw std::logic_error("nothing failed");
    }

    config::SupervisionSettings policy;
    bool attached = false;  ///< for the next ready()
    std::uint64_t number = 0;

  private:
    Lines lines;
    std::map<std::pair<std::string, int>, std::uint64_t> generations;
    std::map<std::pair<std::string, int>, process::InstanceInfo> infos;
};

}  // namespace emprops::jobs::test
