#pragma once
// What `connector doctor` looks at: the checks, each with its reason, its paragraph of ipc/PROTOCOL.md and its cure, and
// what was found. Plain values; no I/O.

#include <string>
#include <string_view>
#include <vector>

namespace emprops::doctor {

/// How far an examination goes; each includes the ones before.
enum class Level { handshake, jobs, all };

struct Check {
    const char* name;
    Level level;
    const char* reason;     ///< why it matters, one sentence
    const char* paragraph;  ///< heading of ipc/PROTOCOL.md
    const char* cure;
};

/// In the order in which they are shown.
const std::vector<Check>& checks();
/// The name must be one of checks().
const Check& check(std::string_view name);

enum class Verdict {
    passed,
    note,  ///< not wrong, but worth knowing
    failed,
    not_tried,    ///< it needs something that was not given (a slow payload, a feature)
    not_reached,  ///< another failure stood before it
};
const char* to_string(Verdict verdict);

struct Finding {
    const Check* check = nullptr;
    Verdict verdict = Verdict::not_reached;
    std::string text;  ///< what was seen; of what was not tried why
};

/// The findings so far. Of several about one check the worst counts, and of failures the first.
class Chart {
  public:
    void pass(std::string_view name) { set(name, Verdict::passed, {}); }
    void note(std::string_view name, std::string text) { set(name, Verdict::note, std::move(text)); }
    void fail(std::string_view name, std::string text) { set(name, Verdict::failed, std::move(text)); }
    void not_tried(std::string_view name, std::string why) { set(name, Verdict::not_tried, std::move(why)); }
    bool failed(std::string_view name) const;
    /// All checks of the level, those without a finding as not reached.
    std::vector<Finding> findings(Level level) const;

  private:
    void set(std::string_view name, Verdict verdict, std::string text);
    std::vector<Finding> found_;
};

}  // namespace emprops::doctor
