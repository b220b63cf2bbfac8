#pragma once
// What a job says of its progress: a number that never goes backwards, a sentence, and details with the time
// left and the newest preview. Where nothing changes it says for how long, so that people see that it lives. On the
// job's thread.

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

    /// All of them outlive it.
    Report(const std::vector<Node>& nodes, const PreviewSettings& previews, TimeBook& times, Say say);

    void on_event(const EventBody& event, TimePoint now);
    void on_position(int position, int length, const std::vector<std::string>& output_nodes, TimePoint now);
    void on_text(const NodeText& text) { progress_.on_text(text); }
    /// ComfyUI does not answer, and why; empty: it does.
    void on_trouble(std::string problem) { trouble_ = std::move(problem); }
    /// The picture as a preview; null: none is wanted now.
    Json preview_of(const Picture& picture, TimePoint now) const;
    void show(Json preview, TimePoint now);
    /// Another submission: what the last one showed is of no account.
    void restart();

    /// Says how far it is, if that is news.
    void tell(const std::string& prompt_id, TimePoint now);
    void tell(double percent, const std::string& message, const Json& details = Json::object());
    /// What is tried again after `pause`, and why.
    void waiting(const std::string& why, Ms pause);
    /// A run of this graph ended well and took so long; so many of its nodes came out of the cache.
    void learn(Ms execute, std::size_t cached_nodes);

  private:
    std::string sentence(TimePoint now);
    double percent(TimePoint now) const;

    const std::vector<Node>& nodes_;
    const PreviewSettings& previews_;
    TimeBook& times_;
    Say say_;
    Progress progress_;
    NodeClock clock_;
    std::string shape_;
    std::string trouble_;
    std::optional<TimePoint> run_began_;
    TimePoint preview_at_{};
    Json preview_;
    std::string sentence_;  // without its age
    TimePoint sentence_since_{};
    std::string told_message_;
    double told_percent_ = -1;
};

}  // namespace emprops::comfyui
