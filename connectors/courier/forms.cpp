#include "connectors/courier/forms.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <thread>
#include <utility>

#include "connectors/courier/scratch.h"
#include "connectors/stores/names/key_template.h"
#include "connectors/stores/names/mime_type.h"
#include "emprops/connector.h"
#include "ipc/text/people.h"
#include "ipc/text/values.h"

namespace emprops::courier {
namespace {

using convert::ChildEnd;
using convert::Reply;

/// A picture of 100 million pixels takes a minute.
constexpr std::chrono::seconds picture_time{300};
constexpr std::chrono::milliseconds turn_look{100};
constexpr std::size_t longest_reason = 300;
constexpr const char* path_variable = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string left_because(const std::string& why) {
    return "left as it is: " + why;
}

Result<stores::OpenCargo> opened(UniqueFd file) {
    struct stat about {};
    if (::fstat(file.get(), &about) != 0) return Error{"disk", "the new file cannot be read"};
    return stores::OpenCargo(std::move(file), about);
}

/// ".mp4" of a stranger's name; empty where it is no usual one.
std::string extension_of(const std::string& name) {
    const std::size_t dot = std::min(name.rfind('.'), name.size());
    const std::string extension = name.substr(dot);
    const bool usual = extension.size() > 1 && extension.size() < 12 &&
                       std::all_of(extension.begin() + 1, extension.end(),
                                   [](unsigned char c) { return std::isalnum(c) != 0; });
    return usual ? extension : "";
}

/// What it said last, in one line.
std::string last_words(const std::string& said) {
    const std::string line = in_one_line(said);
    return line.size() <= longest_reason ? line : "..." + line.substr(line.size() - longest_reason);
}

}  // namespace

class Forms::Turn {
  public:
    Turn(Forms& forms, std::string job_id, const GoOn& go_on) : forms_(forms), job_id_(std::move(job_id)) {
        std::unique_lock lock(forms_.mutex_);
        forms_.turns_.wait(job_id_);
        while (!forms_.turns_.is_due(job_id_)) {
            forms_.free_.wait_for(lock, turn_look);
            lock.unlock();
            const bool wanted = go_on();
            lock.lock();
            if (wanted) continue;
            forms_.turns_.leave(job_id_);
            return;
        }
        forms_.turns_.begin(job_id_);
        has_it_ = true;
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
        if (!has_it_) return;
        const std::lock_guard lock(forms_.mutex_);
        forms_.turns_.end(job_id_);
        forms_.free_.notify_all();
    }
    bool has_it() const { return has_it_; }

  private:
    Forms& forms_;
    const std::string job_id_;
    bool has_it_ = false;
};

Form Forms::make(const Order& order, const stores::OpenCargo& original, const std::string& work_dir,
                 const std::function<bool()>& go_on) {
    Form form{{}, order.name, order.mime_type, {}, {}};
    if (!order.wants_form()) return form;
    const Turn turn(*this, stores::value_of(order.values, "job_id"), go_on);
    if (!turn.has_it()) return form;
    const bool image = order.convert.image && order.is_of("image/");
    const bool video = order.convert.video && order.is_of("video/");
    if (order.unconverted.empty() && original.size() > order.convert.if_larger_than.value_or(0)) {
        if (image) convert_image(order, original, go_on, form);
        if (video) convert_video(order, original, work_dir, go_on, form);
        if (form.file) form.converted_from = Json{{"mime_type", order.mime_type}, {"size", original.size()}};
    } else if (!order.unconverted.empty() && (image || video)) {
        form.note = left_because(order.unconverted);
    }
    // A picture that was converted has lost them on the way.
    const bool stripped = form.file && image;
    if (order.strip && !stripped && go_on()) strip(order, form.file ? *form.file : original, go_on, form);
    return form;
}

void Forms::convert_image(const Order& order, const stores::OpenCargo& original, const GoOn& go_on,
                          Form& form) {
    auto output = make_nameless(settings_.spool);
    if (!output.ok()) {
        form.note = left_because(output.error().message);
        return;
    }
    convert::Order wanted;
    wanted.image = order.convert.image;
    wanted.strip = order.strip;
    const Reply reply = ask(std::move(wanted), {original.descriptor(), output->get()}, go_on);
    if (reply.end == Reply::End::left || reply.end == Reply::End::failed) form.note = left_because(reply.why);
    if (reply.end != Reply::End::done) return;
    auto file = opened(std::move(*output));
    if (!file.ok()) {
        form.note = left_because(file.error().message);
        return;
    }
    form.file = std::move(*file);
    if (!order.image_name.empty()) form.name = order.image_name;
    if (!order.convert.image->format.empty()) form.mime_type = "image/" + order.convert.image->format;
}

void Forms::convert_video(const Order& order, const stores::OpenCargo& original, const std::string& work_dir,
                          const GoOn& go_on, Form& form) {
    const auto known = settings_.known_commands.find(*order.convert.video);
    const auto leave = [&](const std::string& why) {
        form.note = left_because("[files.commands." + *order.convert.video + "] " + why);
    };
    if (known == settings_.known_commands.end()) return leave("is not there");
    const Command& command = known->second;
    const ScratchFolder scratch(work_dir.empty() ? settings_.spool : work_dir);
    if (!scratch.ok()) return leave("has no folder to work in (disk full?)");
    const std::string result = "out." + command.extension;
    const std::string in = scratch.path() + "/in" + extension_of(order.name);

    convert::Order wanted;
    for (const std::string& word : command.command)
        wanted.command.push_back(
            text::replaced(text::replaced(word, "{in}", in), "{out}", scratch.path() + "/" + result));
    wanted.seconds =
        static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::seconds>(command.timeout).count()) *
        std::max(1u, std::thread::hardware_concurrency());
    wanted.parent = ::getpid();
    wanted.link = in;
    convert::ChildOptions options;
    options.command = {settings_.converter};
    options.descriptors = {original.descriptor()};
    options.environment = {path_variable, "HOME=" + scratch.path(), "TMPDIR=" + scratch.path(),
                           "LANG=C.UTF-8"};
    // By this one the worker finds what is left behind when we are killed.
    if (const char* instance = std::getenv("EMPROPS_INSTANCE"))
        options.environment.push_back("EMPROPS_INSTANCE=" + std::string(instance));
    options.folder = scratch.path();
    options.input = text_of(wanted);
    options.timeout = command.timeout;
    const auto end = convert::run_child(options, go_on);
    if (!end.ok()) return leave("failed: " + end.error().message);
    if (end->how != ChildEnd::How::exited || end->code != 0) {
        const std::string words = last_words(end->said);
        return leave("failed: " + end->sentence() + (words.empty() ? "" : " (" + words + ")"));
    }
    auto file = stores::open_cargo(scratch.path(), result);
    if (!file.ok() || file->size() == 0) return leave("made no file {out}");
    form.file = std::move(*file);
    if (!order.video_name.empty()) form.name = order.video_name;
    form.mime_type = command.mime_type;
}

void Forms::strip(const Order& order, const stores::OpenCargo& from, const GoOn& go_on, Form& form) {
    const auto fail = [&](const char* code, const std::string& why, bool retryable) {
        throw JobFailure(
            code, "\"" + order.name + "\" is not delivered: it is to go without its metadata, and " + why,
            retryable);
    };
    auto copy = copy_nameless(from.descriptor(), from.size(), settings_.spool, go_on);
    if (!go_on()) return;
    if (!copy.ok()) fail("internal", copy.error().message, true);
    convert::Order wanted;
    wanted.strip = true;
    wanted.name = form.name;
    const Reply reply = ask(std::move(wanted), {from.descriptor(), copy->get()}, go_on);
    if (!go_on()) return;
    if (reply.end == Reply::End::left)
        fail("service_error", reply.why + ". Let the job save another format, or keep the metadata", false);
    if (reply.end != Reply::End::done) fail("internal", reply.why, true);
    auto file = opened(std::move(*copy));
    if (!file.ok()) fail("internal", file.error().message, true);
    form.file = std::move(*file);
}

Reply Forms::ask(convert::Order order, std::vector<int> descriptors, const GoOn& go_on) {
    order.seconds = static_cast<std::uint64_t>(picture_time.count());
    order.parent = ::getpid();
    convert::ChildOptions options;
    options.command = {settings_.converter};
    options.input = text_of(order);
    options.descriptors = std::move(descriptors);
    options.timeout = picture_time;
    const auto end = convert::run_child(options, go_on);
    if (!end.ok()) {
        warn_once(end.error().message);
        return {Reply::End::failed, end.error().message, {}, {}};
    }
    auto reply = convert::read_reply(end->said);
    if (end->how != ChildEnd::How::exited || end->code != 0 || !reply.ok())
        return {Reply::End::failed, "the converter did not do it: " + end->sentence(), {}, {}};
    if (!reply->unguarded.empty())
        warn_once(reply->unguarded +
                  "; the converter runs with limits of memory, time and files only (no seccomp)");
    return std::move(*reply);
}

void Forms::warn_once(const std::string& what) {
    {
        const std::lock_guard lock(mutex_);
        if (warned_ == what) return;
        warned_ = what;
    }
    warn_(what);
}

}  // namespace emprops::courier
