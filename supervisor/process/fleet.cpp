#include "supervisor/process/fleet.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <random>

#include "supervisor/base/log.h"
#include "supervisor/process/slot.h"

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

class Fleet::Impl : public SlotContext, public std::enable_shared_from_this<Fleet::Impl> {
  public:
    Impl(asio::any_io_executor executor_in, ProcessHost& host_in, FleetListener& listener,
         FleetOptions options_in)
        : SlotContext(executor_in, host_in, with_random(std::move(options_in))),
          listener_(&listener),
          timer_(executor_in),
          next_reap_(Clock::now() + reap_interval) {}

    struct Connector {
        config::ConnectorSettings settings;
        std::vector<std::unique_ptr<Slot>> slots;
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
    Slot* slot(const InstanceId& id) {
        const auto is_it = [&](const auto& each) {
            return each->index() == id.index && each->connector() == id.connector;
        };
        for (const auto& connector : connectors_) {
            const auto found = std::find_if(connector->slots.begin(), connector->slots.end(), is_it);
            if (found != connector->slots.end()) return found->get();
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
    std::uint64_t subscribe(const std::string& connector, Lines lines,
                            std::function<void(const TraceLine&)> on_line) {
        subscriptions_.push_back({++last_subscription_, connector, lines, std::move(on_line)});
        return last_subscription_;
    }
    void unsubscribe(std::uint64_t id) {
        // Perhaps from inside its own callback: the entry is emptied now and dropped later.
        for (Subscription& each : subscriptions_) {
            if (each.id == id) each.id = 0;
        }
    }

    void tell(News news) override;
    void trace(const TraceLine& line) override;
    bool traced() const override {
        return std::any_of(subscriptions_.begin(), subscriptions_.end(),
                           [](const Subscription& each) { return each.id != 0 && each.lines == Lines::all; });
    }
    void slot_changed() override;
    void sweep_repeatedly(const std::string& marker) override;

  private:
    struct Subscription {
        std::uint64_t id = 0;
        std::string connector;
        Lines lines = Lines::all;
        std::function<void(const TraceLine&)> on_line;
    };
    struct Sweep {
        TimePoint at;
        std::string marker;
    };

    void reload(Connector& connector, const config::ConnectorSettings& settings);
    void resize(Connector& connector);
    void review();
    void arm();
    void on_timer();
    void deliver();
    void finish_shutdown();

    FleetListener* listener_;
    std::vector<std::unique_ptr<Connector>> connectors_;
    std::vector<std::unique_ptr<Slot>> surplus_;  // slots of connectors whose number of instances was reduced
    asio::steady_timer timer_;
    std::deque<News> news_;
    bool delivering_ = false;
    bool review_posted_ = false;
    std::vector<Sweep> sweeps_;
    TimePoint next_reap_;
    std::vector<Subscription> subscriptions_;
    std::uint64_t last_subscription_ = 0;
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
        for (const auto& slot : missing->slots)
            slot->stop("it was removed from the configuration");
        ordered.push_back(std::move(missing));
    }
    connectors_ = std::move(ordered);
    for (const config::ConnectorSettings& settings : connectors)
        reload(*find(settings.name), settings);
    slot_changed();
}

void Fleet::Impl::reload(Connector& connector, const config::ConnectorSettings& settings) {
    config::ConnectorSettings before = connector.settings;
    before.instances = settings.instances;
    const bool changed = !(before == settings);
    const bool back = connector.removed;
    connector.removed = false;
    connector.settings = settings;
    for (const auto& slot : connector.slots) {
        if (changed) slot->configure(settings);
        if (back) slot->start();
    }
    resize(connector);
}

void Fleet::Impl::resize(Connector& connector) {
    const std::size_t wanted = connector.settings.instances;
    while (connector.slots.size() > wanted) {
        connector.slots.back()->stop("there shall be fewer instances");
        surplus_.push_back(std::move(connector.slots.back()));
        connector.slots.pop_back();
    }
    while (connector.slots.size() < wanted) {
        const int index = static_cast<int>(connector.slots.size());
        // One that is still on its way out comes back: two slots must not share an index.
        const auto old = std::find_if(surplus_.begin(), surplus_.end(), [&](const auto& each) {
            return each->index() == index && each->connector() == connector.settings.name;
        });
        if (old != surplus_.end()) {
            connector.slots.push_back(std::move(*old));
            surplus_.erase(old);
            connector.slots.back()->configure(connector.settings);
        } else {
            connector.slots.push_back(std::make_unique<Slot>(*this, connector.settings, index));
        }
        connector.slots.back()->start();
    }
}

// ---- the listener -----------------------------------------------------------------------------------------

void Fleet::Impl::tell(News news) {
    news_.push_back(std::move(news));
    if (delivering_) return;
    delivering_ = true;
    asio::post(executor, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->deliver();
    });
}

void Fleet::Impl::deliver() {
    // What is told while this runs waits for the next turn, so that no flood keeps the loop here.
    std::deque<News> now;
    now.swap(news_);
    for (News& news : now) {
        if (listener_ == nullptr) return;
        news(*listener_);
    }
    delivering_ = false;
    if (news_.empty()) return;
    delivering_ = true;
    asio::post(executor, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->deliver();
    });
}

void Fleet::Impl::trace(const TraceLine& line) {
    for (std::size_t index = 0; index < subscriptions_.size(); ++index) {
        const Subscription& each = subscriptions_[index];
        if (each.id == 0 || (!each.connector.empty() && each.connector != line.id.connector)) continue;
        if (each.lines == Lines::for_people && !line.for_people()) continue;
        const auto on_line = each.on_line;
        on_line(line);
    }
    std::erase_if(subscriptions_, [](const Subscription& each) { return each.id == 0; });
}

// ---- time -------------------------------------------------------------------------------------------------

void Fleet::Impl::slot_changed() {
    if (review_posted_) return;
    review_posted_ = true;
    asio::post(executor, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->review();
    });
}

void Fleet::Impl::review() {
    review_posted_ = false;
    std::erase_if(surplus_, [](const auto& slot) { return slot->gone(); });
    std::erase_if(connectors_, [](const auto& connector) {
        return connector->removed && std::all_of(connector->slots.begin(), connector->slots.end(),
                                                 [](const auto& slot) { return slot->gone(); });
    });
    finish_shutdown();
    arm();
}

void Fleet::Impl::arm() {
    TimePoint first = next_reap_;
    const auto consider = [&](const Slot& slot) {
        if (const auto at = slot.next_wakeup()) first = std::min(first, *at);
    };
    for (const auto& connector : connectors_) {
        for (const auto& slot : connector->slots)
            consider(*slot);
    }
    for (const auto& slot : surplus_)
        consider(*slot);
    for (const Sweep& sweep : sweeps_)
        first = std::min(first, sweep.at);
    timer_.expires_at(first);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (self && !error) self->on_timer();
    });
}

void Fleet::Impl::on_timer() {
    const TimePoint now = Clock::now();
    for (const auto& connector : connectors_) {
        for (const auto& slot : connector->slots)
            slot->tick(now);
    }
    for (const auto& slot : surplus_)
        slot->tick(now);
    for (const Sweep& sweep : sweeps_) {
        if (now >= sweep.at) host.sweep(sweep.marker);
    }
    std::erase_if(sweeps_, [&](const Sweep& sweep) { return now >= sweep.at; });
    if (now >= next_reap_) {
        next_reap_ = now + reap_interval;
        host.reap_orphans();
    }
    slot_changed();
}

void Fleet::Impl::sweep_repeatedly(const std::string& marker) {
    const TimePoint now = Clock::now();
    for (const Ms delay : sweep_delays)
        sweeps_.push_back({now + delay, marker});
}

// ---- the end ----------------------------------------------------------------------------------------------

void Fleet::Impl::shutdown(std::function<void()> done) {
    leaving_ = true;
    done_ = std::move(done);
    for (const auto& connector : connectors_) {
        for (const auto& slot : connector->slots)
            slot->shutdown();
    }
    for (const auto& slot : surplus_)
        slot->shutdown();
    slot_changed();
}

void Fleet::Impl::finish_shutdown() {
    if (!done_) return;
    // A process in uninterruptible sleep must not hold the whole worker: the guardian goes on with it.
    const TimePoint now = Clock::now();
    std::string stuck;
    bool wait = false;
    const auto look_at = [&](const std::unique_ptr<Slot>& slot) {
        if (slot->gone()) return;
        if (!slot->hopeless(now)) wait = true;
        stuck += (stuck.empty() ? "" : ", ") + slot->process_names();
    };
    for (const auto& connector : connectors_)
        std::for_each(connector->slots.begin(), connector->slots.end(), look_at);
    std::for_each(surplus_.begin(), surplus_.end(), look_at);
    if (wait) return;
    if (!stuck.empty() && !stuck_said_) {
        stuck_said_ = true;
        logger("process")->error(
            "the worker ends without waiting any longer for what SIGKILL does not end: {}", stuck);
    }
    // What escaped from its connector without a trace is found here; some rounds, because it may fork.
    if (host.sweep_all() > 0 && --last_sweeps_left_ > 0) {
        sweeps_.push_back({Clock::now() + sweep_delays[0], ""});
        return;
    }
    // Behind all news: the listener hears of the last process before.
    tell([done = std::move(done_)](FleetListener&) { done(); });
    done_ = nullptr;
}

void Fleet::Impl::kill_all() {
    for (const auto& connector : connectors_) {
        for (const auto& slot : connector->slots)
            slot->kill();
    }
    for (const auto& slot : surplus_)
        slot->kill();
    host.sweep_all();
}

void Fleet::Impl::close() {
    listener_ = nullptr;
    news_.clear();
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
    Slot* slot = impl_->slot(id);
    if (slot == nullptr) return Error{"leaving", to_string(id) + " is gone"};
    if (job.resume) {
        for (const auto& other : impl_->find(id.connector)->slots) {
            if (other.get() != slot && !other->holds(job.job_id))
                impl_->work_dirs.move_job(id.connector, other->index(), id.index, job.job_id);
        }
    }
    return slot->give_job(id, job);
}

bool Fleet::cancel_job(const InstanceId& id, const std::string& job_id, const std::string& reason) {
    Slot* slot = impl_->slot(id);
    return slot != nullptr && slot->cancel_job(id, job_id, reason);
}

void Fleet::job_unanswered(const InstanceId& id, const std::string& job_id) {
    if (Slot* slot = impl_->slot(id)) slot->job_unanswered(id, job_id);
}

void Fleet::replace_instance(const InstanceId& id, const std::string& text) {
    if (Slot* slot = impl_->slot(id)) slot->replace_instance(id, text);
}

void Fleet::job_ended(const InstanceId& id, const std::string& job_id) {
    if (Slot* slot = impl_->slot(id)) slot->job_ended(id, job_id);
}

void Fleet::stop_instance(const InstanceId& id, StopReason reason, const std::string& text) {
    if (Slot* slot = impl_->slot(id)) slot->stop_instance(id, reason, text);
}

void Fleet::service_judged(const std::string& connector, int index, int pid, ServiceVerdict verdict,
                           const std::string& text) {
    if (Slot* slot = impl_->slot({connector, index, 0})) slot->service_judged(pid, verdict, text);
}

Result<> Fleet::restart(const std::string& connector) {
    const auto found = impl_->known(connector);
    if (!found) return found.error();
    for (const auto& slot : (*found)->slots)
        slot->restart("an operator restarts it");
    return Ok{};
}

Result<> Fleet::restart_service(const std::string& connector) {
    const auto found = impl_->known(connector);
    if (!found) return found.error();
    if (!(*found)->settings.service.enabled())
        return Error{"no_service", "connector " + connector + " has no service of ours; [connectors." +
                                       connector + ".service] configures one"};
    const auto& slots = (*found)->slots;
    if (std::none_of(slots.begin(), slots.end(), [](const auto& slot) { return slot->wanted(); }))
        return Error{"stopped", connector + " is stopped and its service with it; `emprops-worker start " +
                                    connector + "` starts both"};
    for (const auto& slot : slots)
        slot->restart_service("an operator restarts it");
    return Ok{};
}

Result<> Fleet::start(const std::string& connector) {
    const auto found = impl_->known(connector);
    if (!found) return found.error();
    for (const auto& slot : (*found)->slots)
        slot->start();
    return Ok{};
}

Result<> Fleet::stop(const std::string& connector) {
    const auto found = impl_->known(connector);
    if (!found) return found.error();
    for (const auto& slot : (*found)->slots)
        slot->stop("an operator stopped it");
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
        for (const auto& slot : connector->slots)
            all.push_back(slot->status());
    }
    return all;
}

Result<std::string> Fleet::why(const std::string& connector) const {
    const auto found = impl_->known(connector);
    if (!found) return found.error();
    std::string text;
    for (const auto& slot : (*found)->slots)
        text += (text.empty() ? "" : "; ") + slot->why();
    return text;
}

std::uint64_t Fleet::subscribe(const std::string& connector, Lines lines,
                               std::function<void(const TraceLine&)> on_line) {
    return impl_->subscribe(connector, lines, std::move(on_line));
}
void Fleet::unsubscribe(std::uint64_t subscription) {
    impl_->unsubscribe(subscription);
}

}  // namespace emprops::process
