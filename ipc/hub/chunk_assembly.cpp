#include "ipc/hub/chunk_assembly.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "ipc/web/digest.h"

namespace emprops::hub {
namespace {

/// What a piece costs beside its text, so that a flood of empty pieces is bounded too.
constexpr std::size_t piece_overhead_bytes = 128;

std::size_t cost(const std::string& piece) {
    return piece.size() + piece_overhead_bytes;
}

}  // namespace

ChunkAssembly::Outcome ChunkAssembly::add(TimePoint now, Chunk chunk) {
    Outcome outcome;
    auto [it, is_new] = messages_.try_emplace(chunk.message_id);
    Message& message = it->second;
    if (is_new) {
        message.total = chunk.total_chunks;
        message.hash = chunk.message_hash;
        message.about = chunk.original_type + " of job " + chunk.job_id;
        message.bytes = chunk.message_id.size() + message.about.size() + message.hash.size();
        bytes_ += message.bytes;
    } else if (message.total != chunk.total_chunks || message.hash != chunk.message_hash) {
        outcome.dropped.push_back("chunked " + message.about + ": its chunks contradict each other");
        erase(it);
        return outcome;
    }
    message.last_chunk = now;
    const std::string message_id = chunk.message_id;
    const std::size_t size = keep(message, std::move(chunk));
    message.bytes += size;
    bytes_ += size;
    make_room(message_id, outcome.dropped);
    it = messages_.find(message_id);
    if (it == messages_.end() || it->second.next < it->second.total) return outcome;

    std::string whole = std::move(it->second.text);
    if (!it->second.hash.empty() && md5_hex(whole) != it->second.hash) {
        outcome.dropped.push_back("chunked " + it->second.about + ": the hash does not match its content");
    } else {
        outcome.message = std::move(whole);
    }
    erase(it);
    return outcome;
}

/// All pieces but the last have the same number of characters, and mostly of bytes.
void ChunkAssembly::reserve_for(Message& message, const Chunk& chunk) const {
    constexpr std::uint64_t most_ahead_bytes = 16u << 20;
    const std::size_t needed = message.text.size() + chunk.content.size();
    if (needed <= message.text.capacity()) return;
    const std::uint64_t left = std::min<std::uint64_t>(chunk.total_chunks - message.next, max_bytes_);
    const std::uint64_t wanted = message.next == 0 ? left * chunk.content.size() : 2 * message.text.size();
    message.text.reserve(std::clamp<std::uint64_t>(wanted, needed, needed + most_ahead_bytes));
}

std::size_t ChunkAssembly::keep(Message& message, Chunk chunk) const {
    if (chunk.chunk_id < message.next) return 0;
    const std::size_t size = cost(chunk.content);
    if (chunk.chunk_id > message.next)
        return message.pieces.try_emplace(chunk.chunk_id, std::move(chunk.content)).second ? size : 0;
    reserve_for(message, chunk);
    message.text += chunk.content;
    ++message.next;
    for (auto early = message.pieces.find(message.next); early != message.pieces.end();
         early = message.pieces.find(message.next)) {
        message.text += early->second;
        message.pieces.erase(early);  // never both copies of a large message
        ++message.next;
    }
    return size;
}

void ChunkAssembly::make_room(const std::string& keep, std::vector<std::string>& dropped) {
    while (bytes_ > max_bytes_ || messages_.size() > most_messages) {
        auto oldest = messages_.end();
        for (auto it = messages_.begin(); it != messages_.end(); ++it) {
            if (it->first == keep && messages_.size() > 1) continue;
            if (oldest == messages_.end() || it->second.last_chunk < oldest->second.last_chunk) oldest = it;
        }
        dropped.push_back(
            "chunked " + text::shortened(oldest->second.about, 200) + ": " +
            (bytes_ > max_bytes_
                 ? "incomplete chunked messages need more than " + std::to_string(max_bytes_) + " bytes"
                 : "more than " + std::to_string(most_messages) + " chunked messages are incomplete"));
        erase(oldest);
    }
}

void ChunkAssembly::erase(Messages::iterator it) {
    bytes_ -= it->second.bytes;
    messages_.erase(it);
}

std::vector<std::string> ChunkAssembly::expire(TimePoint now) {
    std::vector<std::string> dropped;
    for (auto it = messages_.begin(); it != messages_.end();) {
        const auto next = std::next(it);
        if (now - it->second.last_chunk >= timeout_) {
            dropped.push_back("chunked " + it->second.about + ": " +
                              std::to_string(it->second.next + it->second.pieces.size()) + " of " +
                              std::to_string(it->second.total) + " chunks came, then nothing for " +
                              human_duration(timeout_));
            erase(it);
        }
        it = next;
    }
    return dropped;
}

std::optional<TimePoint> ChunkAssembly::next_expiry() const {
    std::optional<TimePoint> first;
    for (const auto& [id, message] : messages_)
        if (const TimePoint at = message.last_chunk + timeout_; !first || at < *first) first = at;
    return first;
}

void ChunkAssembly::clear() {
    messages_.clear();
    bytes_ = 0;
}

}  // namespace emprops::hub
