#pragma once
// What this worker remembers of a job id beyond one assignment: how often it was run here and how many
// processes died with it. Bounded: the ids that were touched least recently are forgotten first. Pure.

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

namespace emprops::jobs {

class JobHistory {
  public:
    explicit JobHistory(std::size_t capacity) : capacity_(capacity == 0 ? 1 : capacity) {}

    /// Counts an attempt and returns its number, from 1.
    int begin_attempt(const std::string& job_id);
    /// The attempt did not take place.
    void undo_attempt(const std::string& job_id);
    /// At least `attempts` were made (by an earlier process of this worker).
    void attempts_at_least(const std::string& job_id, int attempts);

    /// A process died of it. `limit` deaths make it poison (0: never). Returns the deaths so far. `service`:
    /// "the service of comfyui"; empty: a connector.
    std::uint32_t add_death(const std::string& job_id, const std::string& how, std::uint32_t limit,
                            const std::string& service = {});
    /// It was not the job: its deaths are forgotten.
    void forgive(const std::string& job_id);
    /// It was there when a process died of one of several jobs: next time it runs alone.
    void run_alone(const std::string& job_id);
    bool runs_alone(const std::string& job_id) const;

    struct Poison {
        std::uint32_t deaths = 0;
        std::string last_death;
        std::string service;  ///< what died each time; empty: not always a service
    };
    /// Set when the job must not run here again.
    const Poison* poison(const std::string& job_id) const;
    std::size_t poisoned() const;

    /// The job completed: what was noted about its failures does not count any more.
    void forget(const std::string& job_id);
    std::size_t size() const { return index_.size(); }

  private:
    struct Entry {
        std::string job_id;
        int attempts = 0;
        bool is_poison = false;
        bool alone = false;
        Poison deaths;
    };
    Entry& touch(const std::string& job_id);

    std::size_t capacity_;
    std::list<Entry> entries_;  // most recently touched first
    std::unordered_map<std::string, std::list<Entry>::iterator> index_;
};

}  // namespace emprops::jobs
