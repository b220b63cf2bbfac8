#pragma once
// What a job says of its progress: a number that never goes backwards, a sentence, and details with the time
// left and the newest preview. On the job's thread.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "connectors/comfyui/job/progress.h"
#include "connectors/comfyui/run/time.h"
#include "connectors/comfyui/server/mailbox.h"

namespace emprops::comfyui {

class Report {
  public:
    /// Percent, sentence, details.
    using Say = std::function<void(double, const std::string&, const Json&)>;

    /// `etas` outlives it.
    Report(const std::vector<Node>& nodes, const PreviewSettings& previews, EtaBook& etas, Say say);

    void on_event(const EventBody& event, TimePoint now);
    void on_position(int position, int length, const std::vector<std::string>& output_nodes);
    /// The picture as a preview; null: none is wanted now.
    Json preview_of(const Picture& picture, TimePoint now) const;
    void show(Json preview, TimePoint now);
    /// Another submission: what the last one showed is of no account.
    void restart();

    /// Says how far it is, if that is news.
    void tell(const std::string& prompt_id, TimePoint now);
    void tell(double percent, const std::string& message, const Json& details = Json::object());
    /// A run of this graph took so long, and so many of its nodes came out of the cache.
    void learn(Ms execute, std::size_t cached_nodes);

  private:
    const PreviewSettings& previews_;
    EtaBook& etas_;
    Say say_;
    Progress progress_;
    std::string shape_;
    std::size_t node_count_;
    std::optional<TimePoint> run_began_;
    TimePoint preview_at_{};
    Json preview_;
    std::string told_message_;
    double told_percent_ = -1;
};

}  // namespace emprops::comfyui
