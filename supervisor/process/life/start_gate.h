#pragma once
// What lies between the decision to start a process and its spawn: what needs a port waits until nobody else has
// it. Pure; owned by a Life.

#include <string>
#include <utility>

#include "supervisor/process/life/actions.h"

namespace emprops::process {

class StartGate {
  public:
    /// A process is to be started. If it needs a port, somebody looks first who has that.
    void open(bool needs_port, Actions& out) {
        if (closed_) return;
        asked_ = true;
        if (needs_port) {
            out.push_back(action::CheckPort{});
            return;
        }
        port_owner_.clear();
        out.push_back(action::Spawn{});
    }
    void port_free(bool still_wanted, Actions& out) {
        port_owner_.clear();
        asked_ = still_wanted;
        if (still_wanted) out.push_back(action::Spawn{});
    }
    /// True: nobody was told yet that this one has it.
    bool port_taken(const std::string& owner) {
        asked_ = false;
        return std::exchange(port_owner_, owner) != owner;
    }
    /// Spawn was answered.
    void answered() { asked_ = false; }
    void forget_port() { port_owner_.clear(); }
    /// Nothing is started any more.
    void close() { closed_ = true; }

    bool closed() const { return closed_; }
    /// CheckPort or Spawn was asked for, the answer is outstanding.
    bool asked() const { return asked_; }
    /// Who has the port; empty: nobody, as far as is known.
    const std::string& port_owner() const { return port_owner_; }

  private:
    bool closed_ = false;
    bool asked_ = false;
    std::string port_owner_;
};

}  // namespace emprops::process
