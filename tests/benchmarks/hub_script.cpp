#include "tests/benchmarks/hub_script.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "ipc/hub/chunking.h"
#include "ipc/hub/codec.h"

namespace emprops::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

double now_seconds() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double milliseconds_since(SteadyClock::time_point begin) {
    return std::chrono::duration<double, std::milli>(SteadyClock::now() - begin).count();
}

}  // namespace

HubScript::HubScript(std::string job_type) : hub_(io_), job_type_(std::move(job_type)) {
    hub_.on_frame = [this](test::HubDouble::Peer& peer, const std::string& frame) {
        frames_.push_back(frame);
        peer.frames.clear();
        if (frame.find("register_worker") != std::string::npos) {
            hub::WorkerRegistered registered;
            registered.stamp.timestamp = now_seconds();
            peer.send(hub::encode(registered));
        }
    };
}

std::string HubScript::url() const {
    return "ws://127.0.0.1:" + std::to_string(hub_.port());
}

bool HubScript::heard(const std::string& text) const {
    return std::any_of(frames_.begin(), frames_.end(),
                       [&](const std::string& frame) { return frame.find(text) != std::string::npos; });
}

void HubScript::wait(const std::string& what, const std::function<bool()>& condition) {
    if (!test::until(io_, condition, std::chrono::seconds(60)))
        throw std::runtime_error("the worker did not send " + what + "; it sent " +
                                 (frames_.empty() ? "nothing" : frames_.back().substr(0, 500)));
}

void HubScript::wait_worker() {
    wait("a status", [this] { return heard("register_worker") && heard("\"" + job_type_ + "\""); });
}

void HubScript::rest(std::chrono::milliseconds time) {
    io_.restart();
    io_.run_for(time);
}

std::shared_ptr<test::HubDouble::Peer> HubScript::worker() const {
    const auto worker = hub_.peer("/ws/worker/");
    if (!worker) throw std::runtime_error("no worker is connected");
    return worker;
}

void HubScript::give(const std::string& payload) {
    job_id_ = "job-00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + ++jobs_);
    frames_.clear();
    for (auto& frame : hub::to_frames(hub::encode_offer(now_seconds(), job_id_, job_type_, 0, payload),
                                      "job_available", job_id_))
        worker()->send(std::move(frame));
    wait("claim_job", [this] { return heard("\"claim_job\""); });
    assigned_ = SteadyClock::now();
    for (auto& frame :
         hub::to_frames(hub::encode_assignment({now_seconds(), ""}, job_id_, job_type_, 0, payload),
                        "job_assigned", job_id_))
        worker()->send(std::move(frame));
}

std::vector<double> HubScript::run_jobs(int count, const std::string& payload) {
    std::vector<double> times;
    for (int i = 0; i < count; ++i)
        times.push_back(run_job(payload));
    return times;
}

double HubScript::run_job(const std::string& payload) {
    give(payload);
    wait("complete_job", [this] { return heard("\"complete_job\"") || heard("\"fail_job\""); });
    const double took = milliseconds_since(assigned_);
    if (heard("\"fail_job\"")) throw std::runtime_error("the job failed: " + frames_.back());
    hub::CompletedAck ack;
    ack.job_id = job_id_;
    worker()->send(hub::encode(ack));
    return took;
}

double HubScript::fail_job(const std::string& payload, const std::function<void()>& damage) {
    give(payload);
    wait("progress of the connector", [this] { return heard("Starting simulation job"); });
    const auto begin = SteadyClock::now();
    damage();
    wait("fail_job", [this] { return heard("\"fail_job\""); });
    const double took = milliseconds_since(begin);
    hub::FailedAck ack;
    ack.job_id = job_id_;
    worker()->send(hub::encode(ack));
    return took;
}

}  // namespace emprops::bench
