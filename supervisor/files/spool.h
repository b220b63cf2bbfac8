#pragma once
// The files that are the worker's own until they are delivered: STATE_DIR/spool/NAME is the folder of a job as its
// connector left it. Whatever takes time (looking at the files, copying from another file system, syncing, removing) is
// done on threads of the spool; `done` callbacks come in a later turn of the loop. Event loop thread only.
//
// Files are a connector's work and may be anything: they are reached without following links, must be regular, and are
// ours from then on.

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
#include "supervisor/base/time.h"

namespace emprops::files {

class Spool {
  public:
    struct Options {
        std::filesystem::path folder;
        bool sync = true;  ///< what was taken survives a power cut, a moment later
    };
    Spool(boost::asio::any_io_executor executor, Options options);
    /// Waits for what is under way; syncs that have not begun are left out.
    ~Spool();

    /// Makes the folder. Errors: "state_dir".
    Result<> prepare();
    std::filesystem::path path_of(const std::string& name) const { return options_.folder / name; }

    /// Bytes of each file, in the order of `places`. Errors: "protocol_error" (it is not there, no regular file, behind a
    /// link), "disk".
    using Taken = std::function<void(Result<std::vector<std::uint64_t>>)>;
    /// Makes the folder `from` the folder `name`, if it is not already, and looks at the files in it, which are counted
    /// from then on. `places`: relative to it.
    void take(const std::filesystem::path& from, const std::string& name, std::vector<std::string> places,
              Taken done);
    /// One that is there from an earlier process counts, too.
    void count(const std::string& name, std::uint64_t bytes) { held_[name] = bytes; }
    void remove(const std::string& name);
    /// It is not delivered, and stays, with a note (kept.h), until it is old: it does not count any more.
    void keep(const std::string& name) { held_.erase(name); }
    /// Removes what nobody wants any more: kept ones that are older than `age`, the oldest of them beyond `most_bytes`
    /// together; and, at the start, what is neither kept nor among `wanted`. What is on its way stays.
    void clean(Ms age, std::uint64_t most_bytes);
    void remove_leftovers(std::set<std::string> wanted);
    const std::filesystem::path& folder() const { return options_.folder; }

    std::uint64_t bytes() const;
    std::size_t folders() const { return held_.size(); }

  private:
    Result<std::vector<std::uint64_t>> look(const std::filesystem::path& from, const std::string& name,
                                            const std::vector<std::string>& places) const;
    Result<> bring(const std::filesystem::path& from, const std::string& name,
                   const std::vector<std::string>& places) const;
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
