#pragma once
// The environment of one connector's processes, as configured: what may enter it, and what wins. A connector
// gets its `env` table, its `.env.NAME*`, and the variables NAME_* and WORKER_NAME_*; nothing else, and never
// a secret of the worker. Pure; internal to config/.

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "config/load.h"

namespace emprops::config {

/// The connector to which NAME_* and WORKER_NAME_* variables of this name belong, or "". Of COMFYUI_ and
/// COMFYUI_2_ the longer prefix wins, so that one connector never sees another's secrets.
std::string owner_of_variable(std::string_view variable, std::span<const std::string> connectors);

class ChildEnvironment {
  public:
    struct Entry {
        std::string value;
        Origin origin;
        int rank = 0;
    };

    /// `rank`: the source, lowest first. WORKER_X and X are one variable to a connector of the Python worker,
    /// WORKER_X winning; so X from a higher source takes away WORKER_X of a lower one.
    void add(int rank, const std::string& name, const std::string& value, const Origin& origin);

    const std::map<std::string, Entry>& entries() const { return entries_; }

  private:
    std::map<std::string, Entry> entries_;
};

}  // namespace emprops::config
