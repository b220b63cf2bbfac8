#pragma once
// The files that are the worker's own until they are delivered: STATE_DIR/spool/NAME is the folder of a job as its
// connector left it. Whatever takes time (looking at the files, copying from another file system, syncing, removing) is
// done on threads of the spool; `done` callbacks come in a later turn of the loop. Event loop thread only.
//
// What of a job's folder may be taken: job_files.h. Files that no store took: kept.h.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ipc/result.h"
#include "supervisor/base/lifetime.h"
#include "supervisor/files/job_files.h"
#include "supervisor/files/kept.h"

namespace emprops::files {

class Spool {
  public:
    struct Options {
        std::filesystem::path folder;
        std::filesystem::path
            other;         ///< on the disk of the scratch folders: what is copied from there waits here
        bool sync = true;  ///< what was taken survives a power cut, a moment later
    };
    Spool(boost::asio::any_io_executor executor, Options options);
    /// Waits for what is under way; syncs that have not begun are left out.
    ~Spool();

    /// Make the folders. Errors: "state_dir".
    Result<> prepare() { return make(options_.folder); }
    Result<> prepare_other() { return make(options_.other); }
    const std::filesystem::path& folder() const { return options_.folder; }
    std::filesystem::path path_of(const std::string& name) const { return options_.folder / name; }
    std::filesystem::path other_path_of(const std::string& name) const { return options_.other / name; }
    /// Where it lies: what could not be copied from another disk is there still.
    std::filesystem::path place_of(const std::string& name) const;
    /// It lies in one of the two.
    bool has(const std::string& name) const;

    /// Bytes of each file, in their order. Errors: see job_files.h.
    using Sizes = std::function<void(Result<std::vector<std::uint64_t>>)>;
    /// Of a folder that is a connector's still: `place` below `root`.
    void look(const std::filesystem::path& root, const std::string& place, JobFiles files, Sizes done);
    /// What was moved here is ours from then on; it is copied to where it belongs, if it lies at other_path_of().
    void own(const std::string& name, JobFiles files, Sizes done);

    /// It is there, and takes so much.
    void count(const std::string& name, std::uint64_t bytes) { held_[name] = bytes; }
    std::uint64_t bytes() const;
    std::size_t folders() const { return held_.size(); }
    bool holds(const std::string& name) const { return held_.contains(name); }
    void remove(const std::string& name);

    /// It is not delivered, and stays, with a note (kept.h): it does not count any more. Error: the note cannot be written.
    void keep(Delivery delivery, ipc::JobError error, std::function<void(Result<>)> done);
    /// All that are kept.
    void list_kept(std::function<void(std::vector<Kept>)> done);
    /// At the start: removes what is neither kept nor among `wanted`.
    void remove_leftovers(std::set<std::string> wanted);

  private:
    static Result<> make(const std::filesystem::path& folder);
    template <class Value>
    void answer(std::function<void(Value)> done, Value value);
    Result<std::vector<std::uint64_t>> own_now(const std::string& name, const JobFiles& files) const;
    void sync(const std::string& name, const std::vector<std::string>& places) const;
    void remove_now(const std::string& name) const;

    boost::asio::any_io_executor executor_;
    const Options options_;
    std::map<std::string, std::uint64_t> held_;  // by name: bytes
    Lifetime lifetime_;
    boost::asio::thread_pool taker_{1}, syncer_{1},
        remover_{1};  // whoever waits for a slot waits for the first
};

}  // namespace emprops::files
