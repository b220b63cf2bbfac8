#include "supervisor/doctor/child_patient.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "ipc/codec.h"
#include "ipc/file_marks.h"
#include "supervisor/files/delivery.h"
#include "supervisor/files/job_files.h"
#include "supervisor/process/introduction.h"

namespace emprops::doctor {
namespace {

/// Programs that live for less than this may go unseen.
constexpr Ms between_looks{20};
/// A process that is ended by force is gone within this.
constexpr Ms killed_within{5000};

}  // namespace

ChildPatient::ChildPatient(boost::asio::io_context& loop, const config::ConnectorSettings& settings,
                           process::FleetOptions options)
    : loop_(loop),
      settings_(settings),
      host_(process::make_process_host(loop.get_executor())),
      around_(loop.get_executor(), *host_, std::move(options), nobody_) {
    around_.changed = [](const std::string&, int) {};
    around_.sweep_repeatedly = [this](const std::string& marker) { host_->sweep({marker}); };
    around_.files = ipc::FilesOffer{.stores = {"inline"}, .deliver = {"inline"}};
}

ChildPatient::~ChildPatient() {
    end();
    host_->sweep_all();
}

void ChildPatient::end() {
    if (!child_) return;
    child_->kill();
    wait([this] { return heard_.exit().has_value(); }, killed_within);
    host_->sweep({child_->marker()});
    child_.reset();
}

Result<> ChildPatient::start() {
    end();
    heard_ = {};
    ready_at_.reset();
    heirs_[0].clear();
    heirs_[1].clear();
    auto spec = process::introduce(around_, settings_, 0);
    if (!spec) return spec.error();
    user_ = spec->user;
    const process::InstanceId id{settings_.name, 0, ++around_.last_generation};
    child_ = std::make_unique<process::Child>(
        around_, settings_.name, settings_.name, settings_.name + "/0/" + std::to_string(id.generation),
        process::Child::Events{[] {},
                               [this] {
                                   const process::DeathReport report = child_->report();
                                   heard_.ended({report.exit_code, report.signal, report.left_behind,
                                                 report.summary_with_last_line()});
                               }});
    process::IoLimits limits;
    limits.max_line_bytes = settings_.supervision.max_line_bytes;
    limits.stdin_queue_bytes = config::TalkSettings::stdin_queue_bytes;
    const Result<> started = child_->start(std::move(*spec), limits, io_events());
    if (!started) child_.reset();
    return started;
}

process::IoEvents ChildPatient::io_events() {
    process::IoEvents events;
    events.on_line = [this](std::string_view line, bool) {
        heard_.line(line, Clock::now());
        if (heard_.ready() && !ready_at_) ready_at_ = Clock::now();
        if (on_line) on_line(1, line);
    };
    events.on_overlong = [this](std::string_view, std::uint64_t size) { heard_.overlong(size); };
    events.on_stderr = [this](std::string_view line) {
        child_->evidence().add_stderr(line, true);
        heard_.stderr_line(line, Clock::now());
        if (on_line) on_line(2, line);
    };
    events.on_state = [](std::string_view, process::Pipe) {};
    events.on_stdout_end = events.on_stdin_closed = events.on_stalled = [] {};
    return events;
}

ipc::Hello ChildPatient::hello() const {
    return process::greeting(around_, settings_, 0);
}

void ChildPatient::send(const ipc::ToConnector& message) {
    if (const auto* job = std::get_if<ipc::Job>(&message)) heard_.given(job->job_id);
    if (on_line) on_line(0, ipc::encode(message));
    if (child_ && child_->io() != nullptr) child_->io()->send(ipc::encode_shared(message), false);
}

void ChildPatient::send_text(std::string text, const std::string& job_id) {
    if (!job_id.empty()) heard_.given(job_id);
    if (child_ && child_->io() != nullptr) child_->io()->send({std::move(text)}, false);
}

void ChildPatient::close_stdin() {
    if (child_ && child_->io() != nullptr) child_->io()->close_stdin_after_writing();
}

void ChildPatient::terminate() {
    if (child_) child_->signal(SIGTERM, spdlog::level::debug);
}

std::string ChildPatient::work_dir(const std::string& job_id) {
    const auto made = around_.work_dirs.make_job(settings_.name, 0, job_id, user_);
    return made ? made->string() : around_.work_dirs.job(settings_.name, 0, job_id).string();
}

std::string ChildPatient::wrong_files(const std::string& work_dir, const ipc::JobResult& result) const {
    if (const auto marks = ipc::check_file_marks(result.result.text(), result.files.size()); !marks)
        return marks.error().message;
    files::JobFiles wanted;
    if (user_) wanted.user = user_->uid;
    for (const ipc::ResultFile& file : result.files) {
        auto place = files::place_of(file, wanted.places.size(), work_dir);
        if (!place) return place.error().message;
        wanted.places.push_back(std::move(*place));
    }
    const auto folder = files::open_folder(work_dir);
    if (!folder) return folder.error().message;
    const auto looked = files::look_at_files(folder->get(), wanted);
    return looked ? std::string() : looked.error().message;
}

void ChildPatient::look() {
    const TimePoint now = Clock::now();
    if (!child_ || !ready_at_ || now < next_look_) return;
    next_look_ = now + between_looks;
    for (const int descriptor : {0, 1}) {
        if (heirs_[descriptor].empty())
            heirs_[descriptor] =
                host_->heir(child_->pid(), descriptor, between(*ready_at_, now) + between_looks);
    }
}

bool ChildPatient::wait(const std::function<bool()>& condition, Ms limit) {
    const TimePoint end = Clock::now() + limit;
    while (!condition()) {
        if (Clock::now() >= end) return false;
        loop_.restart();
        loop_.run_one_for(std::min(between(Clock::now(), end) + Ms{1}, between_looks));
        look();
    }
    return true;
}

}  // namespace emprops::doctor
