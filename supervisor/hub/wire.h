#pragma once
// What the machines of the session say, in the order in which they say it: frames for the Hub, lines for the
// log, facts for the worker. Also what they all have to know for that: our id, whether the Hub hears us, how
// much waits to be written. Owned by the session, which hands it to each machine. Event loop thread only.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "ipc/hub/codec.h"
#include "supervisor/hub/actions.h"
#include "supervisor/jobs/link_view.h"

namespace emprops::hub {

/// What the session cannot know by itself. The first three must be set.
struct Sources {
    std::function<double()> wall_seconds;    ///< seconds since the epoch, for `timestamp` fields only
    std::function<double()> random_unit;     ///< uniform in [0, 1), for jitter
    std::function<std::string()> random_id;  ///< 8 hex digits
    /// Bytes handed out as Send and not yet written to the worker connection; not set: always 0.
    std::function<std::size_t()> queued_bytes;
    /// The same of the connection for large results (SendBulk); both keep their last value after the end.
    std::function<std::size_t()> bulk_queued_bytes;
};

class Wire {
  public:
    Wire(Sources sources, std::size_t crowded_bytes)
        : sources_(std::move(sources)), crowded_bytes_(crowded_bytes) {}

    void send(std::string frame, bool urgent = false) {
        given_bytes_ += frame.size();
        out_.push_back(Send{std::move(frame), urgent});
    }
    void note(Note::Level level, std::string text) { out_.push_back(Note{level, std::move(text), {}, {}}); }
    /// The Hub sent something that is not understood. `whom`: to which connection of ours ("our ... "), or
    /// nothing.
    void on_bad_frame(const std::string& whom, const std::string& why) {
        ++counters_.bad_frames;
        note(Note::Level::warn, "the Hub sent " + whom + "something that is not understood: " + why);
    }
    void act(Action action) { out_.push_back(std::move(action)); }
    /// Everything said since the last call: one batch.
    Actions take() {
        batched_bytes_ = given_bytes_;
        return std::exchange(out_, {});
    }

    /// Our id at the Hub, of the connection that is there or is being made.
    const std::string& worker_id() const { return worker_id_; }
    void set_worker_id(std::string id) { worker_id_ = std::move(id); }
    /// The worker connection is there and the Hub has welcomed us: it hears what is sent now.
    bool usable() const { return usable_; }
    void set_usable(bool usable) { usable_ = usable; }
    Stamp stamp() const { return {sources_.wall_seconds(), worker_id_}; }
    double random_unit() const { return sources_.random_unit(); }
    std::string random_id() const { return sources_.random_id(); }

    /// A new worker connection: nothing has been written to it.
    void on_connected() { given_bytes_ = batched_bytes_ = 0; }
    /// Bytes of earlier batches that wait to be written.
    std::size_t backlog() const { return sources_.queued_bytes ? sources_.queued_bytes() : 0; }
    std::size_t bulk_backlog() const { return sources_.bulk_queued_bytes ? sources_.bulk_queued_bytes() : 0; }
    bool crowded() const { return backlog() > crowded_bytes_; }
    /// Bytes of all frames of this connection, of the running batch as well.
    std::uint64_t given_bytes() const { return given_bytes_; }
    /// Of these, written.
    std::uint64_t written_bytes() const {
        const std::size_t waiting = backlog();
        return batched_bytes_ > waiting ? batched_bytes_ - waiting : 0;
    }

    /// Counted by whoever does it.
    jobs::LinkMetrics& counters() { return counters_; }
    const jobs::LinkMetrics& counters() const { return counters_; }

  private:
    Sources sources_;
    std::size_t crowded_bytes_;
    Actions out_;
    jobs::LinkMetrics counters_;
    std::string worker_id_;
    bool usable_ = false;
    std::uint64_t given_bytes_ = 0;
    std::uint64_t batched_bytes_ = 0;  ///< the same without the running batch
};

}  // namespace emprops::hub
