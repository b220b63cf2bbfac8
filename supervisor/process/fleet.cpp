#include "supervisor/process/fleet.h"

#include <algorithm>
#include <memory>
#include <random>
#include <utility>

#include "ipc/text/people.h"
#include "supervisor/base/log.h"

namespace emprops::process {

namespace {

FleetOptions with_random(FleetOptions options) {
    if (!options.random) {
        auto engine = std::make_shared<std::mt19937_64>(std::random_device{}());
        options.random = [engine] { return std::uniform_real_distribution<double>(0, 1)(*engine); };
    }
    return options;
}

}  // namespace

Fleet::Fleet(boost::asio::any_io_executor executor, ProcessHost& host, FleetListener& listener,
             FleetOptions options)
    : around_(executor, host, with_random(std::move(options)), listener),
      instances_(around_),
      escapes_(host, Clock::now()),
      alarm_(executor, [this] { on_time(); }),
      review_turn_(executor, [this] { review(); }) {
    around_.changed = [this](const std::string& connector, int index) {
        instances_.touched(connector, index);
        review_turn_.request();
    };
    around_.sweep_repeatedly = [this](const std::string& marker) {
        escapes_.child_ended(marker, Clock::now());
    };
}

Fleet::~Fleet() {
    around_.news->close();
    kill_all();
    instances_.clear();
}

void Fleet::configure(const std::vector<config::ConnectorSettings>& connectors) {
    if (leaving_) return;
    instances_.configure(connectors);
    review_turn_.request();
}

// ---- time -------------------------------------------------------------------------------------------------

void Fleet::review() {
    instances_.forget_gone();
    finish_shutdown();
    arm();
}

void Fleet::arm() {
    Earliest first;
    first.add(escapes_.next_wakeup());
    first.add(instances_.next_wakeup());
    alarm_.set(first.at());
}

void Fleet::on_time() {
    const TimePoint now = Clock::now();
    instances_.tick(now);
    escapes_.tick(now);
    review_turn_.request();
}

// ---- the end ----------------------------------------------------------------------------------------------

void Fleet::shutdown(std::function<void()> done) {
    leaving_ = true;
    done_ = std::move(done);
    instances_.for_each([](Instance& instance) { instance.shutdown(); });
    review_turn_.request();
}

void Fleet::finish_shutdown() {
    if (!done_) return;
    // A process in uninterruptible sleep must not hold the whole worker: the guardian goes on with it.
    const TimePoint now = Clock::now();
    std::string stuck;
    bool wait = false;
    instances_.for_each([&](const Instance& instance) {
        if (instance.gone()) return;
        if (!instance.hopeless(now)) wait = true;
        add_item(stuck, instance.process_names());
    });
    if (wait) return;
    if (!stuck.empty() && !std::exchange(stuck_said_, true))
        logger("process")->error(
            "the worker ends without waiting any longer for what SIGKILL does not end: {}", stuck);
    // What escaped from its connector without a trace is found here.
    if (!escapes_.none_left(now)) return;
    // Behind all news: the listener hears of the last process before.
    around_.news->tell([done = std::exchange(done_, nullptr)](FleetListener&) { done(); });
}

void Fleet::kill_all() {
    instances_.for_each([](Instance& instance) { instance.kill(); });
    around_.host.sweep_all();
}

// ---- for the dispatcher -----------------------------------------------------------------------------------

Result<> Fleet::give_job(const InstanceId& id, ipc::Job job) {
    Instance* instance = instances_.find(id);
    if (instance == nullptr) return Error{"leaving", to_string(id) + " is gone"};
    if (job.resume) {
        for (const auto& other : instances_.connector(id.connector)->instances) {
            if (other.get() != instance && !other->holds(job.job_id))
                around_.work_dirs.move_job(id.connector, other->index(), id.index, job.job_id);
        }
    }
    return instance->give_job(id, job);
}

bool Fleet::begin_job(const InstanceId& id, const std::string& job_id) {
    Instance* instance = instances_.find(id);
    return instance != nullptr && instance->begin_job(id, job_id);
}

bool Fleet::cancel_job(const InstanceId& id, const std::string& job_id, const std::string& reason) {
    Instance* instance = instances_.find(id);
    return instance != nullptr && instance->cancel_job(id, job_id, reason);
}

void Fleet::job_unanswered(const InstanceId& id, const std::string& job_id) {
    if (Instance* instance = instances_.find(id)) instance->job_unanswered(id, job_id);
}

void Fleet::job_ended(const InstanceId& id, const std::string& job_id) {
    if (Instance* instance = instances_.find(id)) instance->job_ended(id, job_id);
}

void Fleet::forget_folder(const InstanceId& id, const std::string& job_id) {
    around_.work_dirs.release(WorkDirs::place(id.connector, id.index, job_id));
    if (Instance* instance = instances_.find(id))
        instance->forget_folder(job_id);
    else
        around_.work_dirs.remove_job(id.connector, id.index, job_id);
}

std::optional<uid_t> Fleet::user_of(const InstanceId& id) const {
    const Instance* instance = instances_.find(id);
    return instance == nullptr ? std::nullopt : instance->user_of(id);
}

void Fleet::replace_instance(const InstanceId& id, const std::string& text) {
    if (Instance* instance = instances_.find(id)) instance->replace_instance(id, text);
}

void Fleet::stop_instance(const InstanceId& id, StopReason reason, const std::string& text) {
    if (Instance* instance = instances_.find(id)) instance->stop_instance(id, reason, text);
}

void Fleet::service_judged(const std::string& connector, int index, int pid, ServiceVerdict verdict,
                           const std::string& text) {
    if (Instance* instance = instances_.find({connector, index, 0}))
        instance->service_judged(pid, verdict, text);
}

// ---- for the operator -------------------------------------------------------------------------------------

Result<> Fleet::restart(const std::string& connector) {
    return instances_.for_each_of(connector, [](Instance& each) { each.restart("an operator restarts it"); });
}

Result<> Fleet::start(const std::string& connector) {
    return instances_.for_each_of(connector, [](Instance& each) { each.start(); });
}

Result<> Fleet::stop(const std::string& connector) {
    return instances_.for_each_of(connector, [](Instance& each) { each.stop("an operator stopped it"); });
}

Result<> Fleet::restart_service(const std::string& connector) {
    const auto found = instances_.known(connector);
    if (!found) return found.error();
    if (!(*found)->settings.service.enabled())
        return Error{"no_service", "connector " + connector + " has no service of ours; [connectors." +
                                       connector + ".service] configures one"};
    const auto& instances = (*found)->instances;
    if (std::none_of(instances.begin(), instances.end(),
                     [](const auto& instance) { return instance->wanted(); }))
        return Error{"stopped", connector + " is stopped and its service with it; `emprops-worker start " +
                                    connector + "` starts both"};
    for (const auto& instance : instances)
        instance->restart_service("an operator restarts it");
    return Ok{};
}

void Fleet::look() {
    if (!leaving_) instances_.for_each([](Instance& instance) { instance.look(); });
}

std::vector<InstanceStatus> Fleet::snapshot() const {
    std::vector<InstanceStatus> all;
    for (const auto& connector : instances_.connectors()) {
        for (const auto& instance : connector->instances)
            all.push_back(instance->status());
    }
    return all;
}

std::uint64_t Fleet::subscribe(const std::string& connector, Lines lines,
                               std::function<void(const TraceLine&)> on_line) {
    return around_.news->subscribe(connector, lines == Lines::for_people, std::move(on_line));
}

void Fleet::unsubscribe(std::uint64_t subscription) {
    around_.news->unsubscribe(subscription);
}

}  // namespace emprops::process
