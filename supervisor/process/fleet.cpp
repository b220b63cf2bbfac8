#include "supervisor/process/fleet.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <random>

#include "supervisor/base/log.h"
#include "supervisor/process/instance.h"

namespace emprops::process {

namespace asio = boost::asio;

namespace {

constexpr Ms reap_interval{5000};
/// An escaped process may appear while we look for it.
constexpr Ms sweep_delays[] = {Ms{50}, Ms{250}, Ms{1000}};
constexpr int last_sweeps = 20;

FleetOptions with_random(FleetOptions options) {
    if (!options.random) {
        auto engine = std::make_shared<std::mt19937_64>(std::random_device{}());
        options.random = [engine] { return std::uniform_real_distribution<double>(0, 1)(*engine); };
    }
    return options;
}

}  // namespace

class Fleet::Impl : public std::enable_shared_from_this<Fleet::Impl> {
  public:
    Impl(const asio::any_io_executor& executor, ProcessHost& host, FleetListener& listener,
         FleetOptions options)
        : around(executor, host, with_random(std::move(options)), listener),
          timer_(executor),
          next_reap_(Clock::now() + reap_interval) {
        around.changed = [this] { changed(); };
        around.sweep_repeatedly = [this](const std::string& marker) {
            for (const Ms delay : sweep_delays)
                sweeps_.push_back({Clock::now() + delay, marker});
        };
    }

    Surroundings around;

    struct Connector {
        config::ConnectorSettings settings;
        std::vector<std::unique_ptr<Instance>> instances;
        bool removed = false;
    };

    void configure(const std::vector<config::ConnectorSettings>& connectors);
    void shutdown(std::function<void()> done);
    void kill_all();
    void close();

    Connector* find(const std::string& name) {
        const auto found = std::find_if(connectors_.begin(), connectors_.end(),
                                        [&](const auto& each) { return each->settings.name == name; });
        return found == connectors_.end() ? nullptr : found->get();
    }
    Instance* instance(const InstanceId& id) {
        const auto is_it = [&](const auto& each) {
            return each->index() == id.index && each->connector() == id.connector;
        };
        for (const auto& connector : connectors_) {
            const auto found = std::find_if(connector->instances.begin(), connector->instances.end(), is_it);
            if (found != connector->instances.end()) return found->get();
        }
        const auto found = std::find_if(surplus_.begin(), surplus_.end(), is_it);
        return found == surplus_.end() ? nullptr : found->get();
    }
    Result<Connector*> known(const std::string& name) {
        if (Connector* connector = find(name)) return connector;
        std::string names;
        for (const auto& each : connectors_)
            names += (names.empty() ? "" : ", ") + each->settings.name;
        return Error{"not_found", "there is no connector \"" + name +
                                      "\"; there are: " + (names.empty() ? "none" : names)};
    }
    const std::vector<std::unique_ptr<Connector>>& connectors() const { return connectors_; }

  private:
    struct Sweep {
        TimePoint at;
        std::string marker;
    };

    void reload(Connector& connector, const config::ConnectorSettings& settings);
    void resize(Connector& connector);
    void review();
    void arm();
    void on_timer();
    void changed();
    template <class Function>
    void for_each(Function function);
    void finish_shutdown();

    std::vector<std::unique_ptr<Connector>> connectors_;
    std::vector<std::unique_ptr<Instance>>
        surplus_;  // instances of connectors whose number of instances was reduced
    asio::steady_timer timer_;
    bool review_posted_ = false;
    std::vector<Sweep> sweeps_;
    TimePoint next_reap_;
    bool leaving_ = false;
    int last_sweeps_left_ = last_sweeps;
    std::function<void()> done_;
    bool stuck_said_ = false;
};

// ---- configuration ----------------------------------------------------------------------------------------

void Fleet::Impl::configure(const std::vector<config::ConnectorSettings>& connectors) {
    if (leaving_) return;
    std::vector<std::unique_ptr<Connector>> ordered;
    for (const config::ConnectorSettings& settings : connectors) {
        const auto found = std::find_if(connectors_.begin(), connectors_.end(), [&](const auto& each) {
            return each != nullptr && each->settings.name == settings.name;
        });
        if (found == connectors_.end()) {
            auto fresh = std::make_unique<Connector>();
            fresh->settings = settings;
            ordered.push_back(std::move(fresh));
        } else {
            ordered.push_back(std::move(*found));
        }
    }
    for (auto& missing : connectors_) {
        if (missing == nullptr) continue;
        missing->removed = true;
        for (const auto& instance : missing->instances)
            instance->stop("it was removed from the configuration");
        ordered.push_back(std::move(missing));
    }
    connectors_ = std::move(ordered);
    for (const config::ConnectorSettings& settings : connectors)
        reload(*find(settings.name), settings);
    changed();
}

void Fleet::Impl::reload(Connector& connector, const config::ConnectorSettings& settings) {
    config::ConnectorSettings before = connector.settings;
    before.instances = settings.instances;
    const bool changed = !(before == settings);
    const bool back = connector.removed;
    connector.removed = false;
    connector.settings = settings;
    for (const auto& instance : connector.instances) {
        if (changed) instance->configure(settings);
        if (back) instance->start();
    }
    resize(connector);
}

void Fleet::Impl::resize(Connector& connector) {
    const std::size_t wanted = connector.settings.instances;
    while (connector.instances.size() > wanted) {
        connector.instances.back()->stop("fewer instances of it are configured now");
        surplus_.push_back(std::move(connector.instances.back()));
        connector.instances.pop_back();
    }
    while (connector.instances.size() < wanted) {
        const int index = static_cast<int>(connector.instances.size());
        // One that is still on its way out comes back: two instances must not share an index.
        const auto old = std::find_if(surplus_.begin(), surplus_.end(), [&](const auto& each) {
            return each->index() == index && each->connector() == connector.settings.name;
        });
        if (old != surplus_.end()) {
            connector.instances.push_back(std::move(*old));
            surplus_.erase(old);
            connector.instances.back()->configure(connector.settings);
        } else {
            connector.instances.push_back(std::make_unique<Instance>(around, connector.settings, index));
        }
        connector.instances.back()->start();
    }
}

// ---- time -------------------------------------------------------------------------------------------------

void Fleet::Impl::changed() {
    if (review_posted_) return;
    review_posted_ = true;
    asio::post(around.executor, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->review();
    });
}

void Fleet::Impl::review() {
    review_posted_ = false;
    std::erase_if(surplus_, [](const auto& instance) { return instance->gone(); });
    std::erase_if(connectors_, [](const auto& connector) {
        return connector->removed && std::all_of(connector->instances.begin(), connector->instances.end(),
                                                 [](const auto& instance) { return instance->gone(); });
    });
    finish_shutdown();
    arm();
}

template <class Function>
void Fleet::Impl::for_each(Function function) {
    for (const auto& connector : connectors_) {
        for (const auto& instance : connector->instances)
            function(*instance);
    }
    for (const auto& instance : surplus_)
        function(*instance);
}

void Fleet::Impl::arm() {
    Earliest first;
    first.add(next_reap_);
    for_each([&](const Instance& instance) { first.add(instance.next_wakeup()); });
    for (const Sweep& sweep : sweeps_)
        first.add(sweep.at);
    timer_.expires_at(*first.at());
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (self && !error) self->on_timer();
    });
}

void Fleet::Impl::on_timer() {
    const TimePoint now = Clock::now();
    for_each([&](Instance& instance) { instance.tick(now); });
    for (const Sweep& sweep : sweeps_) {
        if (now >= sweep.at) around.host.sweep(sweep.marker);
    }
    std::erase_if(sweeps_, [&](const Sweep& sweep) { return now >= sweep.at; });
    if (now >= next_reap_) {
        next_reap_ = now + reap_interval;
        around.host.reap_orphans();
    }
    changed();
}

// ---- the end ----------------------------------------------------------------------------------------------

void Fleet::Impl::shutdown(std::function<void()> done) {
    leaving_ = true;
    done_ = std::move(done);
    for_each([](Instance& instance) { instance.shutdown(); });
    changed();
}

void Fleet::Impl::finish_shutdown() {
    if (!done_) return;
    // A process in uninterruptible sleep must not hold the whole worker: the guardian goes on with it.
    const TimePoint now = Clock::now();
    std::string stuck;
    bool wait = false;
    for_each([&](const Instance& instance) {
        if (instance.gone()) return;
        if (!instance.hopeless(now)) wait = true;
        stuck += (stuck.empty() ? "" : ", ") + instance.process_names();
    });
    if (wait) return;
    if (!stuck.empty() && !stuck_said_) {
        stuck_said_ = true;
        logger("process")->error(
            "the worker ends without waiting any longer for what SIGKILL does not end: {}", stuck);
    }
    // What escaped from its connector without a trace is found here; some rounds, because it may fork.
    if (around.host.sweep_all() > 0 && --last_sweeps_left_ > 0) {
        sweeps_.push_back({Clock::now() + sweep_delays[0], ""});
        return;
    }
    // Behind all news: the listener hears of the last process before.
    around.news->tell([done = std::move(done_)](FleetListener&) { done(); });
    done_ = nullptr;
}

void Fleet::Impl::kill_all() {
    for_each([](Instance& instance) { instance.kill(); });
    around.host.sweep_all();
}

void Fleet::Impl::close() {
    around.news->close();
    done_ = nullptr;
    kill_all();
    connectors_.clear();
    surplus_.clear();
    timer_.cancel();
}

// ---- the public face --------------------------------------------------------------------------------------

Fleet::Fleet(asio::any_io_executor executor, ProcessHost& host, FleetListener& listener, FleetOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), host, listener, std::move(options))) {}

Fleet::~Fleet() {
    impl_->close();
}

void Fleet::configure(const std::vector<config::ConnectorSettings>& connectors) {
    impl_->configure(connectors);
}

Result<> Fleet::give_job(const InstanceId& id, ipc::Job job) {
    Instance* instance = impl_->instance(id);
    if (instance == nullptr) return Error{"leaving", to_string(id) + " is gone"};
    if (job.resume) {
        for (const auto& other : impl_->find(id.connector)->instances) {
            if (other.get() != instance && !other->holds(job.job_id))
                impl_->around.work_dirs.move_job(id.connector, other->index(), id.index, job.job_id);
        }
    }
    return instance->give_job(id, job);
}

bool Fleet::cancel_job(const InstanceId& id, const std::string& job_id, const std::string& reason) {
    Instance* instance = impl_->instance(id);
    return instance != nullptr && instance->cancel_job(id, job_id, reason);
}

void Fleet::job_unanswered(const InstanceId& id, const std::string& job_id) {
    if (Instance* instance = impl_->instance(id)) instance->job_unanswered(id, job_id);
}

void Fleet::replace_instance(const InstanceId& id, const std::string& text) {
    if (Instance* instance = impl_->instance(id)) instance->replace_instance(id, text);
}

void Fleet::job_ended(const InstanceId& id, const std::string& job_id) {
    if (Instance* instance = impl_->instance(id)) instance->job_ended(id, job_id);
}

void Fleet::stop_instance(const InstanceId& id, StopReason reason, const std::string& text) {
    if (Instance* instance = impl_->instance(id)) instance->stop_instance(id, reason, text);
}

void Fleet::service_judged(const std::string& connector, int index, int pid, ServiceVerdict verdict,
                           const std::string& text) {
    if (Instance* instance = impl_->instance({connector, index, 0}))
        instance->service_judged(pid, verdict, text);
}

Result<> Fleet::restart(const std::string& connector) {
    const auto found = impl_->known(connector);
    if (!found) return found.error();
    for (const auto& instance : (*found)->instances)
        instance->restart("an operator restarts it");
    return Ok{};
}

Result<> Fleet::restart_service(const std::string& connector) {
    const auto found = impl_->known(connector);
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

Result<> Fleet::start(const std::string& connector) {
    const auto found = impl_->known(connector);
    if (!found) return found.error();
    for (const auto& instance : (*found)->instances)
        instance->start();
    return Ok{};
}

Result<> Fleet::stop(const std::string& connector) {
    const auto found = impl_->known(connector);
    if (!found) return found.error();
    for (const auto& instance : (*found)->instances)
        instance->stop("an operator stopped it");
    return Ok{};
}

void Fleet::shutdown(std::function<void()> done) {
    impl_->shutdown(std::move(done));
}
void Fleet::kill_all() {
    impl_->kill_all();
}

std::vector<InstanceStatus> Fleet::snapshot() const {
    std::vector<InstanceStatus> all;
    for (const auto& connector : impl_->connectors()) {
        for (const auto& instance : connector->instances)
            all.push_back(instance->status());
    }
    return all;
}

std::uint64_t Fleet::subscribe(const std::string& connector, Lines lines,
                               std::function<void(const TraceLine&)> on_line) {
    return impl_->around.news->subscribe(connector, lines == Lines::for_people, std::move(on_line));
}
void Fleet::unsubscribe(std::uint64_t subscription) {
    impl_->around.news->unsubscribe(subscription);
}

}  // namespace emprops::process
