#include "connectors/comfyui/job/report.h"

#include <algorithm>
#include <utility>

#include "ipc/web/base64.h"

namespace emprops::comfyui {

Report::Report(const std::vector<Node>& nodes, const PreviewSettings& previews, EtaBook& etas, Say say)
    : previews_(previews),
      etas_(etas),
      say_(std::move(say)),
      progress_(nodes),
      shape_(graph_shape(nodes)),
      node_count_(nodes.size()) {}

void Report::on_event(const EventBody& event, TimePoint now) {
    if (std::holds_alternative<Started>(event)) run_began_ = now;
    progress_.on_event(event);
}

void Report::on_position(int position, int length, const std::vector<std::string>& output_nodes) {
    if (position >= 0) progress_.on_position(position, length);
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
    run_began_.reset();
    preview_ = nullptr;
}

void Report::tell(double percent, const std::string& message, const Json& details) {
    told_percent_ = std::max(told_percent_, percent);
    say_(told_percent_, message, details);
}

void Report::tell(const std::string& prompt_id, TimePoint now) {
    const std::string message = progress_.message();
    const double percent = progress_.percent();
    if (message == told_message_ && percent <= told_percent_ && preview_.is_null()) return;
    told_message_ = message;
    Json details = progress_.details();
    details["prompt_id"] = prompt_id;
    if (progress_.running() && run_began_) {
        if (const auto left = etas_.left(shape_, since(*run_began_, now), percent))
            details["eta_seconds"] = static_cast<double>(left->count()) / 1000.0;
    }
    if (!preview_.is_null()) details["preview"] = std::exchange(preview_, nullptr);
    tell(percent, message, details);
}

void Report::learn(Ms execute, std::size_t cached_nodes) {
    if (node_count_ == 0) return;
    etas_.learn(shape_, execute, 1.0 - static_cast<double>(cached_nodes) / static_cast<double>(node_count_));
}

}  // namespace emprops::comfyui
