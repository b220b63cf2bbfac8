#pragma once
// What the machines of this folder ask of Redis, and what they tell the worker. Given to each of them; one per link.
// Pure for them: answers come in a later call, as `lost` where the connection ended before.

#include <functional>
#include <string>
#include <vector>

#include "supervisor/base/note.h"
#include "supervisor/jobs/job_link.h"
#include "supervisor/redis/scripts/scripts.h"
#include "supervisor/redis/wire/reply.h"

namespace emprops::redis {

class Server {
  public:
    using Then = std::function<void(const Reply&)>;
    virtual ~Server() = default;

    virtual void ask(Command command, Then then) = 0;
    virtual void call(const Script& script, std::vector<std::string> keys, std::vector<std::string> arguments,
                      Then then) = 0;
    /// The answer says nothing to anybody. An error is told of once.
    virtual void tell(Command command) = 0;

    virtual void event(jobs::LinkEvent event) = 0;
    virtual void note(Note::Level level, const std::string& text, const std::string& job_id = {}) = 0;
    /// Redis cannot do what it should (out of memory, no rights, read-only): told once in words until it can again.
    virtual void trouble(const std::string& what, const Reply& reply) = 0;

    virtual std::int64_t wall_ms() const = 0;
    /// From 0 to 1.
    virtual double random() = 0;
};

}  // namespace emprops::redis
