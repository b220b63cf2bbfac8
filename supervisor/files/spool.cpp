#include "supervisor/files/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <utility>

#include "ipc/messages.h"
#include "supervisor/base/log.h"
#include "supervisor/base/privacy.h"
#include "supervisor/process/os/open_beneath.h"
#include "supervisor/process/os/remove_tree.h"

namespace emprops::files {

namespace fs = std::filesystem;

namespace {

/// Whatever it is: a link that leads nowhere, too.
bool is_there(const fs::path& path) {
    std::error_code error;
    return fs::exists(fs::symlink_status(path, error));
}

}  // namespace

Spool::Spool(boost::asio::any_io_executor executor, Options options)
    : executor_(std::move(executor)), options_(std::move(options)) {}

Spool::~Spool() {
    syncer_.stop();
    taker_.join();
    syncer_.join();
    remover_.join();
}

Result<> Spool::make(const fs::path& folder) {
    if (const std::error_code error = make_private_folder(folder))
        return Error{"state_dir", "cannot make the spool " + folder.string() + ": " + error.message()};
    return Ok{};
}

bool Spool::has(const std::string& name) const {
    return is_there(path_of(name)) || is_there(other_path_of(name));
}

fs::path Spool::place_of(const std::string& name) const {
    return is_there(other_path_of(name)) ? other_path_of(name) : path_of(name);
}

/// From a thread.
template <class Value>
void Spool::answer(std::function<void(Value)> done, Value value) {
    boost::asio::post(
        executor_, [done = std::move(done), value = std::move(value)]() mutable { done(std::move(value)); });
}

// ---- taking

void Spool::look(const fs::path& root, const std::string& place, JobFiles files, Sizes done) {
    boost::asio::post(taker_, [this, root, place, files = std::move(files),
                               done = Sizes(lifetime_.guard(std::move(done)))]() mutable {
        Result<std::vector<std::uint64_t>> sizes = Error{};
        const auto top = open_folder(root);
        const UniqueFd folder =
            top ? process::open_beneath(top->get(), place, O_RDONLY | O_DIRECTORY) : UniqueFd();
        const int why = errno;
        if (folder)
            sizes = look_at_files(folder.get(), files);
        else
            sizes =
                Error{is_lasting(why) ? ipc::code::internal : "disk",
                      "the job's folder " + (root / place).string() + " is not there: " + std::strerror(why)};
        answer(std::move(done), std::move(sizes));
    });
}

void Spool::own(const std::string& name, JobFiles files, Sizes done) {
    auto owned =
        lifetime_.guard([this, name, done = std::move(done)](Result<std::vector<std::uint64_t>> sizes) {
            if (!held_.contains(name)) remove(name);  // nobody wants it any more
            done(std::move(sizes));
        });
    boost::asio::post(
        taker_, [this, name, files = std::move(files), owned = Sizes(std::move(owned))]() mutable {
            auto sizes = own_now(name, files);
            if (sizes && options_.sync)
                boost::asio::post(syncer_,
                                  [this, name, places = std::move(files.places)] { sync(name, places); });
            answer(std::move(owned), std::move(sizes));
        });
}

Result<std::vector<std::uint64_t>> Spool::own_now(const std::string& name, const JobFiles& files) const {
    const fs::path other = other_path_of(name);
    if (is_there(other)) {
        if (Result<> copied = copy_files(other, path_of(name), files); !copied) return copied.error();
        if (const auto folder = open_folder(options_.other)) (void)process::remove_tree(folder->get(), name);
    }
    const auto folder = open_folder(path_of(name));
    if (!folder) return folder.error();
    return own_files(folder->get(), files);
}

/// What cannot be synced now is found to be lost, if it is, when it is delivered.
void Spool::sync(const std::string& name, const std::vector<std::string>& places) const {
    const auto folder = open_folder(path_of(name));
    if (!folder) return;  // it is delivered already
    for (const std::string& place : places) {
        if (place.empty()) continue;
        if (const UniqueFd fd = process::open_beneath(folder->get(), place, O_RDONLY | O_NONBLOCK))
            ::fdatasync(fd.get());
        const fs::path parent = fs::path(place).parent_path();
        if (parent.empty()) continue;
        if (const UniqueFd names = process::open_beneath(folder->get(), parent, O_RDONLY | O_DIRECTORY))
            ::fsync(names.get());
    }
    ::fsync(folder->get());
    sync_folder(options_.folder);
}

// ---- letting go

void Spool::remove(const std::string& name) {
    held_.erase(name);
    boost::asio::post(remover_, [this, name] { remove_now(name); });
}

void Spool::remove_now(const std::string& name) const {
    std::error_code ignored;
    fs::remove(note_path(options_.folder, name), ignored);
    for (const fs::path& each : {options_.folder, options_.other}) {
        const auto folder = open_folder(each);
        if (!folder) continue;
        const Result<> gone = process::remove_tree(folder->get(), name);
        if (!gone && is_there(each / name))
            logger("files")->error("the spool's folder {} cannot be removed and keeps its space: {}",
                                   (each / name).string(), gone.error().message);
    }
}

void Spool::remove_leftovers(std::set<std::string> wanted) {
    boost::asio::post(remover_, [this, wanted = std::move(wanted)] {
        std::set<std::string> doomed;
        for (const fs::path& folder : {options_.folder, options_.other}) {
            std::error_code error;
            for (fs::directory_iterator each(folder, error), end; !error && each != end;
                 each.increment(error)) {
                const std::string name = each->path().filename().string();
                std::error_code ignored;
                const bool kept =
                    fs::exists(note_path(options_.folder, name), ignored) || name.ends_with(".json");
                if (!kept && !wanted.contains(name)) doomed.insert(name);
            }
        }
        for (const std::string& name : doomed)
            remove_now(name);
    });
}

std::uint64_t Spool::bytes() const {
    return std::accumulate(held_.begin(), held_.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const auto& each) { return sum + each.second; });
}

// ---- what no store took

void Spool::keep(Delivery delivery, ipc::JobError error, std::function<void(Result<>)> done) {
    held_.erase(delivery.folder);
    boost::asio::post(
        syncer_, [this, delivery = std::move(delivery), error = std::move(error),
                  done = std::function<void(Result<>)>(lifetime_.guard(std::move(done)))]() mutable {
            answer(std::move(done), write_note(options_.folder, delivery, error, options_.sync));
        });
}

void Spool::list_kept(std::function<void(std::vector<Kept>)> done) {
    boost::asio::post(
        remover_,
        [this, done = std::function<void(std::vector<Kept>)>(lifetime_.guard(std::move(done)))]() mutable {
            answer(std::move(done), all_kept(options_.folder));
        });
}

}  // namespace emprops::files
