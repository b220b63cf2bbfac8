#include "ipc/line_framer.h"

#include <algorithm>
#include <new>
#include <utility>

#include "ipc/lead.h"

namespace emprops::ipc {
namespace {

std::string_view without_final_returns(std::string_view text) {
    while (!text.empty() && text.back() == '\r')
        text.remove_suffix(1);
    return text;
}

/// Nothing that a person would see on a terminal: blanks, and control sequences such as "clear to the end of the line".
bool is_blank(std::string_view text) {
    while (!text.empty()) {
        if (text.starts_with("\x1b[")) {
            text.remove_prefix(2);
            while (!text.empty() && (text.front() < '@' || text.front() > '~'))
                text.remove_prefix(1);
            if (!text.empty()) text.remove_prefix(1);
        } else if (text.front() == ' ' || text.front() == '\t') {
            text.remove_prefix(1);
        } else {
            return false;
        }
    }
    return true;
}

}  // namespace

void LineFramer::feed(std::string_view bytes, const Sink& sink, bool cut) {
    if (open_return_) {
        const std::size_t next = bytes.find_first_not_of('\r');
        if (next == std::string_view::npos) return;
        open_return_ = false;
        if (bytes[next] != '\n') end_state({});
    }
    while (!bytes.empty()) {
        const std::size_t newline = bytes.find('\n');
        const bool ends = newline != std::string_view::npos;
        const std::string_view piece = bytes.substr(0, newline);
        bytes.remove_prefix(ends ? newline + 1 : bytes.size());
        take(piece, ends, sink);
    }
    tell_state(sink, cut);
}

void LineFramer::take(std::string_view piece, bool ends, const Sink& sink) {
    if (!returns_are_white_space(piece)) piece = without_states(piece, ends);
    const bool whole_line = ends && partial_.empty() && !skipping_;
    if (whole_line && piece.size() <= limit_) {
        complete(piece, sink);
        return;
    }
    keep(piece);
    if (ends) end_line(sink);
}

void LineFramer::finish(const Sink& sink) {
    open_return_ = false;
    end_line(sink);
}

bool LineFramer::returns_are_white_space(std::string_view piece) const {
    if (returns_ == Returns::kept) return true;
    if (returns_ == Returns::end_lines) return false;
    if (partial_.empty()) return may_begin_message(piece);
    if (partial_.size() >= message_lead_bytes) return may_begin_message(partial_);
    return may_begin_message(partial_ + std::string(piece.substr(0, message_lead_bytes)));
}

/// What stands behind the last state of `piece`.
std::string_view LineFramer::without_states(std::string_view piece, bool ends) {
    for (;;) {
        const std::string_view text = without_final_returns(piece);
        const std::size_t at = text.find('\r');
        if (at == std::string_view::npos) {
            if (!ends) open_return_ = text.size() < piece.size();
            return text;
        }
        end_state(piece.substr(0, at));
        piece.remove_prefix(at + 1);
        if (returns_are_white_space(piece)) return piece;
    }
}

void LineFramer::end_state(std::string_view segment) {
    keep(segment);
    if (!is_blank(partial_)) state_.swap(partial_);
    partial_.clear();
    skipping_ = false;
    skipped_bytes_ = 0;
    written_over_ = true;
}

void LineFramer::tell_state(const Sink& sink, bool cut) const {
    if (!sink.on_state || skipping_ || (!written_over_ && !open_return_)) return;
    const bool message = returns_ == Returns::end_text && may_begin_message(partial_);
    const bool torn = cut && !open_return_;
    const std::string& newest = message || torn || is_blank(partial_) ? state_ : partial_;
    if (!newest.empty()) sink.on_state(newest);
}

void LineFramer::end_line(const Sink& sink) {
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
    if (returns_ != Returns::kept)
        line = without_final_returns(line);
    else if (!line.empty() && line.back() == '\r')
        line.remove_suffix(1);
    const std::string before = std::exchange(state_, {});
    if (std::exchange(written_over_, false)) {
        if (is_blank(line))
            line = before;
        else if (returns_ == Returns::end_text && may_begin_message(line) && !before.empty() && sink.on_line)
            sink.on_line(before);
    }
    if (!line.empty() && sink.on_line) sink.on_line(line);
}

void LineFramer::end_skip(const Sink& sink) {
    const std::string head = std::exchange(partial_, {});
    skipping_ = false;
    state_.clear();
    written_over_ = false;
    ++overlong_lines_;
    if (sink.on_overlong) sink.on_overlong(head, std::exchange(skipped_bytes_, 0));
}

}  // namespace emprops::ipc
