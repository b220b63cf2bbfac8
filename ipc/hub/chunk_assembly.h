#pragma once
// Puts chunked messages of the Hub together again. Above 1 000 000 characters the Hub cuts a message; other
// messages come between its chunks, and several may be under way at once. Pure; owned by one connection.
// Chunks may come in any order and twice; the md5 of the whole is verified; memory has a bound, beyond which
// the message that has waited longest is given up; what is not completed in time is given up. The number of
// messages is limited too, so that a flood of them costs as much as its chunks and no more.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ipc/hub/messages.h"
#include "ipc/time/clock.h"

namespace emprops::hub {

class ChunkAssembly {
  public:
    ChunkAssembly(std::size_t max_bytes, std::chrono::milliseconds timeout)
        : max_bytes_(max_bytes), timeout_(timeout) {}

    struct Outcome {
        std::optional<std::string> message;  ///< the whole text, when this chunk was the last one missing
        std::vector<std::string> dropped;    ///< a sentence for each message given up
    };

    /// The Hub sends two at a time at most: an offer and an assignment.
    static constexpr std::size_t most_messages = 64;

    Outcome add(TimePoint now, Chunk chunk);
    /// Gives up what has waited too long; a sentence for each.
    std::vector<std::string> expire(TimePoint now);
    std::optional<TimePoint> next_expiry() const;
    void clear();

    std::size_t bytes() const { return bytes_; }
    std::size_t messages() const { return messages_.size(); }

  private:
    struct Message {
        std::string text;  ///< of the first `next` pieces
        std::uint64_t next = 0;
        std::map<std::uint64_t, std::string> pieces;  ///< that came before their turn
        std::uint64_t total = 0;
        std::string hash;
        std::string about;  ///< "job_assigned of job 1", for people
        std::size_t bytes = 0;
        TimePoint last_chunk;
    };
    using Messages = std::map<std::string, Message>;
    void erase(Messages::iterator it);
    /// How many bytes it takes; 0: the piece is there already.
    std::size_t keep(Message& message, Chunk chunk) const;
    void reserve_for(Message& message, const Chunk& chunk) const;
    void make_room(const std::string& keep, std::vector<std::string>& dropped);

    std::size_t max_bytes_;
    std::chrono::milliseconds timeout_;
    Messages messages_;
    std::size_t bytes_ = 0;
};

}  // namespace emprops::hub
