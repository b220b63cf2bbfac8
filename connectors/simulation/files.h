#pragma once
// Files on request: what a job is to make, and what is in it. A file holds its name and a line break again and again,
// cut where its bytes end (`yes NAME | head -c BYTES`), so that everybody knows its checksum.

#include <cstdint>
#include <string>
#include <vector>

#include "emprops/connector.h"

namespace emprops::simulation {

struct PlannedFile {
    OutputFile file;
    std::uint64_t bytes = 1000;
    bool missing = false;     ///< it is named and not written
    std::string link;         ///< a symbolic link to this stands in its place; empty: none
    double grow_seconds = 0;  ///< it is written to so long after the result
};

/// The payload's `files`. Throws ConfigurationError.
std::vector<PlannedFile> plan_files(const Json& payload);

/// Writes the file into the folder; nothing where its path leads out of it. Throws std::runtime_error.
void make_file(const std::string& work_dir, const PlannedFile& planned);

}  // namespace emprops::simulation
