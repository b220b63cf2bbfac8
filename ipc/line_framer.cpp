#include "ipc/line_framer.h"

#include <algorithm>
#include <new>
#include <utility>

namespace emprops::ipc {

void LineFramer::feed(std::string_view bytes, const Sink& sink) {
    while (!bytes.empty()) {
        const std::size_t newline = bytes.find('\n');
        const std::string_view piece = bytes.substr(0, newline);
        bytes.remove_prefix(newline == std::string_view::npos ? bytes.size() : newline + 1);

        const bool whole_line = newline != std::string_view::npos && partial_.empty() && !skipping_;
        if (whole_line && piece.size() <= limit_) {
            complete(piece, sink);
            continue;
        }
        keep(piece);
        if (newline != std::string_view::npos) finish(sink);
    }
}

void LineFramer::finish(const Sink& sink) {
    if (skipping_) {
        end_skip(sink);
        return;
    }
    // Moved out first: the next line starts clean whatever the sink does, and a huge buffer is not kept for
    // ever.
    const std::string line = std::exchange(partial_, {});
    complete(line, sink);
}

void LineFramer::keep(std::string_view piece) {
    if (!skipping_ && piece.size() <= limit_ - partial_.size()) {
        try {
            partial_.append(piece);
            return;
        } catch (const std::bad_alloc&) {
            // Memory is a limit, too.
        }
    }
    if (!skipping_) {
        skipping_ = true;
        skipped_bytes_ = partial_.size();
        const std::size_t head = std::min(limit_, head_bytes);
        partial_.resize(std::min(partial_.size(), head));
        partial_.append(piece.substr(0, head - partial_.size()));
        partial_.shrink_to_fit();
    }
    skipped_bytes_ += piece.size();
}

void LineFramer::complete(std::string_view line, const Sink& sink) {
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.empty() && sink.on_line) sink.on_line(line);
}

void LineFramer::end_skip(const Sink& sink) {
    const std::string head = std::exchange(partial_, {});
    skipping_ = false;
    ++overlong_lines_;
    if (sink.on_overlong) sink.on_overlong(head, std::exchange(skipped_bytes_, 0));
}

}  // namespace emprops::ipc
