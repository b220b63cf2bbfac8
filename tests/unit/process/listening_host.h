#pragma once
// A ProcessHost that starts nothing and notes what it is asked for.

#include <set>
#include <string>
#include <vector>

#include "supervisor/process/os/process_host.h"

namespace emprops::process {

struct ListeningHost : ProcessHost {
    Result<Started> start(const LaunchSpec&, ExitHandler) override { return Error{"start_failed", ""}; }
    void signal_group(int, int) override {}
    int stopped_by(int) const override { return 0; }
    std::string heir(int, int, Ms) const override { return {}; }
    void remember_tree(int) override {}
    std::size_t sweep(const std::set<std::string>& markers) override {
        ++sweeps;
        swept.insert(swept.end(), markers.begin(), markers.end());
        return 0;
    }
    std::size_t sweep_all() override { return found_at_the_end; }
    void reap_orphans() override { ++reaped; }
    std::uint64_t tree_rss_bytes(int) override { return 0; }
    PortOwner port_owner(std::uint16_t, int, const std::string&) override { return {}; }

    std::vector<std::string> swept;
    int sweeps = 0;
    std::size_t found_at_the_end = 0;
    int reaped = 0;
};

}  // namespace emprops::process
