#pragma once
// The couriers that there are (one as a rule, two while one replaces the other), and which file each has in hand. Pure;
// time is a parameter. Event loop only.

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/process/types.h"

namespace emprops::files {

class Couriers {
  public:
    /// A file, by the id of its job for the courier, in somebody's hand.
    struct Hand {
        process::InstanceId courier;
        std::string job_id;
    };
    struct Place {
        process::InstanceId courier;
        int slots = 1;  ///< of that courier, those that are taken included
    };

    // Unknown couriers and jobs are fine.
    void ready(const process::InstanceId& id, int slots) { all_[id].slots = slots; }
    /// It gets nothing more.
    void leaving(const process::InstanceId& id);
    /// What it had in hand; nullopt: nobody knew it.
    std::optional<std::vector<std::string>> gone(const process::InstanceId& id);
    bool none() const { return all_.empty(); }

    /// Who can take one more file.
    std::optional<Place> free_place() const;
    void take(TimePoint now, const process::InstanceId& id, const std::string& job_id);
    /// False: it did not have it.
    bool let_go(const process::InstanceId& id, const std::string& job_id);
    std::vector<Hand> in_hand() const;

    /// It has said something of the file.
    void heard(TimePoint now, const std::string& job_id);
    /// Those who have said nothing of a file in hand for `patience`, each once; they count as leaving.
    std::vector<Hand> silent(TimePoint now, Ms patience);
    std::optional<TimePoint> next_silence(Ms patience) const;

  private:
    struct Courier {
        int slots = 1;
        bool leaving = false;
        bool told_silent = false;
        std::map<std::string, TimePoint> in_hand;  ///< when it last said something of each
    };

    std::map<process::InstanceId, Courier> all_;
};

}  // namespace emprops::files
