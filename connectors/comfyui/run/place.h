#pragma once
// Where one prompt stands in ComfyUI's queue, since when, and what it waits for. Pure; told of each look into
// the queue.

#include <optional>
#include <string>
#include <vector>

#include "connectors/comfyui/run/answers.h"
#include "connectors/comfyui/run/time.h"
#include "connectors/comfyui/text/mark.h"

namespace emprops::comfyui {

class Place {
  public:
    /// Somebody else's prompt that runs while ours waits.
    struct Head {
        std::string prompt_id;
        Json mark;
        TimePoint since;
    };

    /// The queue as it was seen, with or without the prompt `prompt_id`. `own`: who we are.
    void on_queue(const Queue& queue, const std::string& prompt_id, const OwnMark& own, TimePoint now);
    /// ComfyUI was found not to be there, or the socket to it ended.
    void on_gone() { was_gone_ = true; }
    /// It is in the queue from now on.
    void entered(TimePoint now) { pending_since_ = now; }
    /// ComfyUI has begun it.
    void begun();

    /// 0 running, n-th in the queue otherwise, -1 unknown; and the queue's length.
    int position() const { return position_; }
    int queue_length() const { return queue_length_; }
    bool runs() const { return runs_; }
    /// The output nodes that will run, as the queue names them; empty: not known.
    const std::vector<std::string>& outputs() const { return outputs_; }
    void set_outputs(std::vector<std::string> outputs) { outputs_ = std::move(outputs); }
    /// Its events go to our WebSocket, and not to that of the instance that sent it.
    bool directed() const { return directed_; }

    bool was_gone() const { return was_gone_; }
    /// There was no other prompt when ComfyUI was last looked at before it was gone.
    bool was_alone() const { return others_ == 0; }

    /// Since when it waits although nothing runs; behind others; behind one and the same of somebody else.
    std::optional<TimePoint> idle_since() const { return idle_since_; }
    std::optional<TimePoint> waiting_since() const {
        return runs() ? std::optional<TimePoint>{} : pending_since_;
    }
    const std::optional<Head>& head() const { return head_; }

  private:
    void take(const QueueItem& item, const OwnMark& own);
    void watch_head(const Queue& queue, const OwnMark& own, TimePoint now);

    int position_ = -1;
    int queue_length_ = 0;
    std::vector<std::string> outputs_;
    bool directed_ = true;
    bool was_gone_ = false;
    int others_ = 0;
    std::optional<TimePoint> pending_since_, idle_since_;
    bool runs_ = false;
    std::optional<Head> head_;
};

}  // namespace emprops::comfyui
