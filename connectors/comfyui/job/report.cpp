#include "connectors/comfyui/job/report.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"
#include "ipc/web/base64.h"

namespace emprops::comfyui {
namespace {

constexpr Ms age_step{10'000};
constexpr double most_by_time = 0.9;  // of a run whose end was not seen
constexpr double least_news = 0.5;    // percent: people see whole ones

}  // namespace

Report::Report(const std::vector<Node>& nodes, const PreviewSettings& previews, TimeBook& times, Say say)
    : nodes_(nodes),
      previews_(previews),
      times_(times),
      say_(std::move(say)),
      progress_(nodes, times),
      shape_(graph_shape(nodes)) {}

void Report::on_event(const EventBody& event, TimePoint now) {
    if (std::holds_alternative<Started>(event)) run_began_ = now;
    clock_.on_event(event, now);
    progress_.on_event(event);
}

void Report::on_position(int position, int length, const std::vector<std::string>& output_nodes,
                         TimePoint now) {
    if (position >= 0) progress_.on_position(position, length);
    if (position == 0 && !run_began_) run_began_ = now;
    progress_.expect_outputs(output_nodes);
}

Json Report::preview_of(const Picture& picture, TimePoint now) const {
    const bool wanted = previews_.enabled && picture.bytes.size() <= previews_.max_bytes &&
                        now - preview_at_ >= previews_.interval;
    if (!wanted) return nullptr;
    return {{"mime_type", picture.mime_type}, {"data", web::base64_encode(picture.bytes)}};
}

void Report::show(Json preview, TimePoint now) {
    if (preview.is_null()) return;
    preview_at_ = now;
    preview_ = std::move(preview);
}

void Report::restart() {
    progress_.restart();
    clock_.restart();
    run_began_.reset();
    preview_ = nullptr;
}

void Report::tell(double percent, const std::string& message, const Json& details) {
    told_percent_ = std::max(told_percent_, percent);
    say_(told_percent_, message, details);
}

void Report::waiting(const std::string& why, Ms pause) {
    tell(std::max(told_percent_, 0.0), why + "; next try in " + human_duration(pause));
}

/// What goes on, and for how long where that has not changed for a while.
std::string Report::sentence(TimePoint now) {
    std::string text = trouble_.empty() ? progress_.message() : "ComfyUI does not answer: " + trouble_;
    if (text != sentence_) {
        sentence_ = std::move(text);
        sentence_since_ = now;
    }
    const Ms age = since(sentence_since_, now) / age_step * age_step;
    return age < age_step ? sentence_ : sentence_ + ", for " + human_duration(age);
}

/// Where no steps are heard, the time that such a run took before says how far it is.
double Report::percent(TimePoint now) const {
    if (progress_.running() || !run_began_) return progress_.percent();
    const auto whole = times_.run(shape_);
    if (!whole || *whole <= Ms{0}) return progress_.percent();
    const double part =
        static_cast<double>(since(*run_began_, now).count()) / static_cast<double>(whole->count());
    return run_share * std::min(part, most_by_time);
}

void Report::tell(const std::string& prompt_id, TimePoint now) {
    const std::string message = sentence(now);
    const double done = percent(now);
    if (message == told_message_ && done < told_percent_ + least_news && preview_.is_null()) return;
    told_message_ = message;
    Json details = progress_.details();
    details["prompt_id"] = prompt_id;
    if (run_began_) {
        if (const auto left = times_.left(shape_, since(*run_began_, now), done, run_share))
            details["eta_seconds"] = static_cast<double>(left->count()) / 1000.0;
    }
    if (!preview_.is_null()) details["preview"] = std::exchange(preview_, nullptr);
    tell(done, message, details);
}

void Report::learn(Ms execute, std::size_t cached_nodes) {
    if (nodes_.empty()) return;
    clock_.teach(times_, nodes_);
    times_.learn_run(shape_, execute,
                     1.0 - static_cast<double>(cached_nodes) / static_cast<double>(nodes_.size()));
}

}  // namespace emprops::comfyui
