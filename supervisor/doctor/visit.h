#pragma once
// One conversation of an examination: a process from its start to its end, and the steps that several scripts share.
// Pure, as they are.

#include <string>

#include "supervisor/doctor/examination.h"

namespace emprops::doctor {

/// Nobody speaks again within this who has not begun to.
inline constexpr Ms settle{300};

class Visit {
  public:
    Visit(Patient& patient, const Plan& plan, Chart& chart) : patient(patient), plan(plan), chart(chart) {}

    Patient& patient;
    const Plan& plan;
    Chart& chart;

    const Heard& heard() const { return patient.heard(); }
    bool runs() const { return !heard().exit(); }
    /// Starts a process and greets it; false: it did not become ready.
    bool begin();
    /// Waits for `ready`, or until there will be none.
    bool wait_ready();
    bool has(const char* feature) const;
    int slots() const;

    /// Gives a job and returns at once.
    void give(const std::string& job_id, const ipc::RawJson& payload);
    /// Waits for its end.
    bool ended(const std::string& job_id);
    /// Gives it and waits for its end; a sentence, if there was none.
    std::string run(const std::string& job_id, const ipc::RawJson& payload);
    /// A slow job that has begun, or may be taken for begun. False: it has ended already, which `name` tells.
    bool begin_slow(const std::string& job_id, const char* name);
    /// Waits for the end of the process after it was told to leave by `how`.
    void leave(const char* name, const std::string& how, bool code_zero);
    /// Judges what was heard of all kinds of lines.
    void close();
    /// How it is: "it exited with code 1; its last line: ...", or "it still runs".
    std::string state() const;
};

// ---- the scripts
void examine_handshake(Patient& patient, const Plan& plan, Chart& chart);
void examine_jobs(Patient& patient, const Plan& plan, Chart& chart);
void examine_large_jobs(Patient& patient, const Plan& plan, Chart& chart);
void examine_slow_jobs(Patient& patient, const Plan& plan, Chart& chart);

/// "{}", or the plan's payload with one more member (JSON text).
ipc::RawJson payload_with(const Plan& plan, const std::string& name, const std::string& value);
ipc::RawJson ordinary_payload(const Plan& plan);

}  // namespace emprops::doctor
