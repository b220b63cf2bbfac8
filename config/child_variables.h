#pragma once
// Which variables reach a connector and its service, and that no secret of the worker is among them. Used once by
// ConnectorLoader; internal to config/.

#include <functional>
#include <string>
#include <vector>

#include "config/child_env.h"
#include "config/layers.h"
#include "config/setter.h"

namespace emprops::config {

struct Sources;

class ChildVariables {
  public:
    /// All of them outlive it. `known`: every connector, whose variables are its own.
    ChildVariables(const Sources& sources, const std::vector<std::string>& known, Loaded& out)
        : sources_(sources), known_(known), out_(out), setter_(out) {}

    using Take = std::function<void(const std::string& name, const Variable& variable, const Origin& origin)>;
    /// Calls `take` for each variable of the worker that fits `patterns` (env_pass). `process`: for people.
    void pass(const std::vector<std::string>& patterns, const std::string& process,
              const std::string& connector, const Take& take);
    /// The connector's own variables of a source; with `all`, every one in it.
    void add_of(const VariableSource& source, int rank, bool all, const std::string& connector,
                ChildEnvironment& child);
    void add(const std::string& connector, int rank, const std::string& variable, const std::string& value,
             const Origin& origin, ChildEnvironment& child);
    /// Of the service's `env` table.
    void drop_secrets(ConnectorSettings& connector);

  private:
    bool is_secret(const std::string& variable, const std::string& value) const;

    const Sources& sources_;
    const std::vector<std::string>& known_;
    Loaded& out_;
    Setter setter_;
};

}  // namespace emprops::config
