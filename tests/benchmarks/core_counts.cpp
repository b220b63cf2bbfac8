// How many instructions do the pure cores need for fixed work? core_counts CASE does its work once to warm up, and once
// inside counted_part(), which is what callgrind counts (.ci/check-counts). Without an argument: the cases' names.

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ipc/codec.h"
#include "ipc/hub/chunk_assembly.h"
#include "ipc/hub/chunking.h"
#include "ipc/hub/codec.h"
#include "supervisor/hub/session.h"
#include "supervisor/jobs/dispatcher.h"
#include "supervisor/jobs/journal/line.h"
#include "supervisor/jobs/ledger_record.h"

namespace {

using namespace emprops;

constexpr int job_count = 100;
constexpr int steps = 5;

void require(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "core_counts: %s\n", what);
    std::exit(1);
}

std::string job_id(int i) {
    return "job-00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + i);
}

ipc::Progress progress(const std::string& id, int step) {
    ipc::Progress progress;
    progress.job_id = id;
    progress.progress = 100.0 * step / steps;
    progress.status = "processing";
    progress.message = "Step " + std::to_string(step) + "/" + std::to_string(steps);
    progress.details = ipc::Json{{"connected", true}, {"service", "simulation"}};
    return progress;
}

const char* const result =
    R"({"status":"success","output":{"images":[{"filename":"a.png","seed":18446744073709551616}]}})";

/// The link's session: offers, claims, assignments, progress, outcomes, acks.
void hub_session() {
    hub::SessionSettings settings;
    settings.id_base = "w";
    hub::Session session(
        settings, {[] { return 1.0; }, [] { return 0.5; }, [] { return std::string("00000000"); }, {}, {}});
    TimePoint now = TimePoint{} + std::chrono::hours(1);
    const auto capacity = std::make_shared<jobs::Capacity>();
    capacity->job_types = {"simulation"};
    capacity->free_slots["simulation"] = 1;
    int assigned = 0;
    std::uint64_t number = 0;
    const auto turn = [&] {
        for (int i = 0; i < 2; ++i) {
            for (auto& action : session.take_actions()) {
                if (auto* wish = std::get_if<hub::PlaceWanted>(&action))
                    session.place(now, wish->job_id, jobs::Place::slot);
                if (auto* given = std::get_if<hub::Assigned>(&action)) {
                    number = given->assignment.number;
                    ++assigned;
                }
            }
            session.advance(now, {capacity, false});
        }
        now += Ms(1);
    };
    session.start(now);
    session.on_connected(now);
    session.on_frame(now, R"({"type":"connection_established","message":"hi"})");
    turn();
    for (int i = 0; i < job_count; ++i) {
        const std::string id = job_id(i);
        session.on_frame(now,
                         R"({"type":"job_available","job_id":")" + id +
                             R"(","job_type":"simulation","priority":0,"job_request_payload":{"steps":5}})");
        turn();
        session.on_frame(
            now, R"({"type":"job_assigned","job_id":")" + id +
                     R"(","worker_id":"w","job_type":"simulation","priority":3,"params":{"steps":5}})");
        turn();
        for (int step = 1; step <= steps; ++step) {
            session.report_progress(id, number, progress(id, step));
            turn();
        }
        session.deliver(now, {id, number, jobs::Completed{result}});
        turn();
        session.on_frame(now, R"({"type":"job_completed_ack","job_id":")" + id + R"(","worker_id":"w"})");
        turn();
    }
    require(assigned == job_count, "not every job was assigned");
}

/// Who does what: reservations, assignments, the answers of a connector.
void dispatcher() {
    jobs::Dispatcher dispatcher;
    TimePoint now = TimePoint{} + std::chrono::hours(1);
    int finished = 0;
    const auto turn = [&] {
        for (auto actions = dispatcher.take_actions(); !actions.empty();
             actions = dispatcher.take_actions()) {
            for (auto& action : actions) {
                if (auto* record = std::get_if<jobs::RecordJob>(&action))
                    dispatcher.recorded(now, record->assignment.number);
                if (auto* end = std::get_if<jobs::Finished>(&action)) {
                    dispatcher.outcome_recorded(end->outcome.number);
                    ++finished;
                }
            }
        }
        now += Ms(1);
    };
    const process::InstanceId instance{"simulation", 0, 1};
    process::InstanceInfo info;
    info.job_types = {"simulation"};
    info.features.cancel = true;
    dispatcher.instance_ready(now, instance, info, {});
    turn();
    for (int i = 0; i < job_count; ++i) {
        const std::string id = job_id(i);
        require(dispatcher.reserve(now, id, "simulation"), "no slot was free");
        turn();
        dispatcher.assigned(now, {id, "simulation", 0, R"({"steps":5})", static_cast<std::uint64_t>(i + 1)});
        turn();
        dispatcher.accepted(now, instance, {id});
        turn();
        for (int step = 1; step <= steps; ++step) {
            dispatcher.progress(now, instance, progress(id, step));
            turn();
        }
        dispatcher.result(now, instance, {id, result});
        turn();
    }
    require(finished == job_count, "not every job was finished");
}

/// The lines of a connector, both ways.
void connector_lines() {
    for (int i = 0; i < job_count; ++i) {
        ipc::Job job;
        job.job_id = job_id(i);
        job.job_type = "simulation";
        job.work_dir = "/var/lib/emprops-worker/work/simulation-0/" + job.job_id;
        job.payload = R"({"steps":5,"prompt":"a \"cat\""})";
        require(ipc::encode_shared(ipc::ToConnector{job}).size() > 0, "no line");
        const auto decode = [](const ipc::FromConnector& message) {
            std::string line = ipc::encode(message);
            line.pop_back();
            require(std::holds_alternative<ipc::FromConnector>(ipc::decode_from_connector(line)),
                    "no message");
        };
        decode(ipc::Accepted{job.job_id});
        for (int step = 1; step <= steps; ++step)
            decode(progress(job.job_id, step));
        decode(ipc::JobResult{job.job_id, result});
    }
}

/// An assignment of 3 MB in pieces, from the frames to the line for the connector.
void large_payload() {
    static const std::vector<std::string> frames = [] {
        std::string image;
        while (image.size() < 3'000'000)
            image += R"(a line of \"text\"\n)";
        const std::string whole =
            hub::encode_assignment({1.0, "w"}, job_id(1), "simulation", 0, R"({"image":")" + image + "\"}");
        return hub::to_frames(whole, "job_assigned", job_id(1));
    }();
    hub::ChunkAssembly assembly(1u << 30, std::chrono::seconds(30));
    for (const std::string& text : frames) {
        auto frame = hub::decode_hub_frame(text);
        auto outcome = assembly.add({}, std::move(std::get<hub::Chunk>(frame)));
        if (!outcome.message) continue;
        auto joined = hub::decode_joined_frame(*outcome.message);
        ipc::Job job;
        job.payload = std::move(*std::get<hub::Assignment>(joined).params);
        require(ipc::encode_shared(ipc::ToConnector{job}).size() > 3'000'000, "the payload was lost");
        return;
    }
    require(false, "the message was not put together");
}

/// What a job leaves in the journal, and what is read of it after a start.
void ledger_records() {
    std::string segment;
    std::uint64_t sequence = 0;
    for (int i = 0; i < job_count; ++i) {
        jobs::LedgerRecord record;
        record.hub_url = "ws://127.0.0.1:8001/";
        record.number = static_cast<std::uint64_t>(i + 1);
        record.job_id = job_id(i);
        record.job_type = "simulation";
        record.claimed_as = {"w-00000000"};
        record.connector = "simulation";
        segment += jobs::journal::encode_line(++sequence, record.number, jobs::encode_record(record));
        record.outcome = jobs::Completed{result};
        segment += jobs::journal::encode_line(++sequence, record.number, jobs::encode_record(record));
    }
    const auto scan = jobs::journal::scan_segment(segment, 0);
    require(scan.lines.size() == 2 * job_count, "lines were lost");
    for (const auto& line : scan.lines)
        require(jobs::decode_record(line.number, line.members).ok(), "a record cannot be read");
}

using Work = void (*)();
const std::map<std::string, Work> cases = {{"connector_lines", connector_lines},
                                           {"dispatcher", dispatcher},
                                           {"hub_session", hub_session},
                                           {"large_payload", large_payload},
                                           {"ledger_records", ledger_records}};

}  // namespace

/// By this name callgrind knows what to count.
extern "C" __attribute__((noinline)) void counted_part(Work work) {
    work();
    asm volatile("");  // no tail call: the counting ends where this function does
}

int main(int argc, char** argv) {
    if (argc < 2) {
        for (const auto& [name, work] : cases)
            std::puts(name.c_str());
        return 0;
    }
    const auto found = cases.find(argv[1]);
    if (found == cases.end()) {
        std::fprintf(stderr, "core_counts: there is no case \"%s\"\n", argv[1]);
        return 2;
    }
    found->second();
    counted_part(found->second);
    return 0;
}
