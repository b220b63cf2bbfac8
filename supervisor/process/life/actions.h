#pragma once
// What a Life asks its shell to do. `generation` names the process;
// a Note goes into the log. Plain values.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "supervisor/base/note.h"
#include "supervisor/base/time.h"

namespace emprops::process {

namespace action {
struct CheckPort {  ///< answer with port_free() or port_taken()
    bool operator==(const CheckPort&) const = default;
};
struct Spawn {  ///< start a process and answer with spawned() or spawn_failed()
    bool operator==(const Spawn&) const = default;
};
struct Announce {  ///< it said ready: the dispatcher may use it
    std::uint64_t generation = 0;
    bool operator==(const Announce&) const = default;
};
struct Withdraw {  ///< no new jobs for it
    std::uint64_t generation = 0;
    bool operator==(const Withdraw&) const = default;
};
struct SendPing {
    std::uint64_t generation = 0;
    std::uint64_t id = 0;
    bool operator==(const SendPing&) const = default;
};
struct AskPage {  ///< ask its page whether it works, answer with answered()
    std::uint64_t generation = 0;
    bool operator==(const AskPage&) const = default;
};
struct SendDrain {
    std::uint64_t generation = 0;
    bool operator==(const SendDrain&) const = default;
};
struct SendShutdown {  ///< `shutdown`, then close stdin
    std::uint64_t generation = 0;
    Ms grace{0};
    bool operator==(const SendShutdown&) const = default;
};
struct SignalGroup {
    std::uint64_t generation = 0;
    int signal = 0;
    bool operator==(const SignalGroup&) const = default;
};
struct ReportStuck {  ///< SIGKILL did not end it: say so, go on waiting
    std::uint64_t generation = 0;
    bool operator==(const ReportStuck&) const = default;
};
}  // namespace action

using Action = std::variant<action::CheckPort, action::Spawn, action::Announce, action::Withdraw,
                            action::SendPing, action::AskPage, action::SendDrain, action::SendShutdown,
                            action::SignalGroup, action::ReportStuck, Note>;
using Actions = std::vector<Action>;

}  // namespace emprops::process
