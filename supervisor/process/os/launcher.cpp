#include "supervisor/process/os/launcher.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/process/v2/posix/default_launcher.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/stdio.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/process/os/machine.h"

namespace emprops::process {

namespace bp = boost::process::v2;

namespace {

/// The hooks of Boost.Process: our setup in the child, and an exit without static destructors when exec
/// fails.
struct SetupInitializer {
    const ChildSetup* setup;
    volatile ChildSetup::Step* failed;

    boost::system::error_code on_exec_setup(bp::posix::default_launcher&, const bp::filesystem::path&,
                                            const char* const*) const {
        const int error = setup->run(failed);
        errno = error;  // the launcher reports errno, not what we return
        return {error, boost::system::system_category()};
    }
    // Variadic, because 1.81 looks for one signature and calls another.
    template <class... Args>
    void on_exec_error(Args&&...) const {
        ::_exit(127);
    }
};

/// All signals blocked from before the fork until the child has default dispositions: a handler of the worker must
/// not run in the child.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t before_{};
};

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

/// Both ends close-on-exec and above 2: dup2 of a descriptor onto itself would leave it close-on-exec.
bool make_pipe(Pipe& pipe) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    UniqueFd* const slots[] = {&pipe.read, &pipe.write};
    for (int index = 0; index < 2; ++index) {
        slots[index]->reset(ends[index]);
        if (ends[index] <= 2) slots[index]->reset(::fcntl(ends[index], F_DUPFD_CLOEXEC, 3));
    }
    return pipe.read && pipe.write;
}

void set_non_blocking(int fd) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/// Who owns a pipe may open it anew: /dev/stdout and /dev/stderr in scripts, and what the Node SDK does at its start. If
/// we may not give them away, we may not become the user either, and the start says so.
void give_to(const UserIds& user, std::initializer_list<int> ends) {
    for (const int end : ends) {
        if (::fchown(end, user.uid, user.gid) != 0) return;
    }
}

std::string because(int number) {
    const std::string limit = limit_behind(number);
    return limit.empty() ? limit : ": " + limit;
}

}  // namespace

Error start_failed(const std::string& what) {
    return {"start_failed", what};
}

Launcher::Launcher() {
    void* const page =
        ::mmap(nullptr, sizeof(ChildSetup::Step), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    failed_step_ = page == MAP_FAILED ? &own_step_ : static_cast<ChildSetup::Step*>(page);
}

Launcher::~Launcher() {
    if (failed_step_ != &own_step_)
        ::munmap(const_cast<ChildSetup::Step*>(failed_step_), sizeof(ChildSetup::Step));
}

Result<Started> Launcher::launch(const LaunchSpec& spec, const std::string& cgroup_procs) {
    Pipe in;
    Pipe out;
    Pipe err;
    if (!make_pipe(in) || !make_pipe(out) || !make_pipe(err))
        return start_failed(std::string("cannot make pipes: ") + std::strerror(errno) + because(errno));
    if (spec.user) give_to(*spec.user, {in.read.get(), out.write.get(), err.write.get()});
    const ChildSetup setup = ChildSetup::prepare(spec, cgroup_procs);
    const Result<int> pid = spawn(spec, setup, in.read.get(), out.write.get(), err.write.get());
    if (!pid) return pid.error();
    Started child;
    child.pid = *pid;
    child.stdin_fd = std::move(in.write);
    child.stdout_fd = std::move(out.read);
    child.stderr_fd = std::move(err.read);
    for (const UniqueFd* fd : {&child.stdin_fd, &child.stdout_fd, &child.stderr_fd})
        set_non_blocking(fd->get());
    return child;
}

Result<int> Launcher::spawn(const LaunchSpec& spec, const ChildSetup& setup, int in, int out, int err) {
    std::vector<std::string> environment;
    for (const auto& [key, value] : spec.env)
        environment.push_back(key + "=" + value);
    environment.push_back(std::string(marker_variable) + "=" + spec.marker);
    std::vector<const char*> pointers;
    for (const std::string& entry : environment)
        pointers.push_back(entry.c_str());
    pointers.push_back(nullptr);

    bp::posix::default_launcher launcher;
    launcher.env = pointers.data();
    *failed_step_ = ChildSetup::Step::none;
    boost::system::error_code error;
    std::string problem;
    const SignalsBlocked blocked;
    try {
        auto process =
            launcher(context_.get_executor(), error, bp::filesystem::path(spec.executable.string()),
                     spec.arguments, bp::process_stdio{in, out, err}, SetupInitializer{&setup, failed_step_});
        process.detach();
    } catch (const std::exception& exception) {
        problem = exception.what();
    }
    if (error) {
        const ChildSetup::Step step = *failed_step_;
        problem = std::string(ChildSetup::describe(step)) + " (" +
                  (step == ChildSetup::Step::working_dir ? spec.working_dir : spec.executable).string() +
                  "): " + error.message() + because(error.value());
    }
    if (problem.empty()) return launcher.pid;
    if (launcher.pid > 0) {
        // The child has reported its failure and is in _exit; or Boost failed after the fork: it is useless.
        ::kill(launcher.pid, SIGKILL);
        ::waitpid(launcher.pid, nullptr, 0);
    }
    return start_failed(problem);
}

}  // namespace emprops::process
