#pragma once
// Payloads as people give them on the command line. Errors are sentences, code "payload".

#include <filesystem>
#include <string>

#include "ipc/result.h"

namespace emprops::cli {

Result<std::string> read_payload_file(const std::filesystem::path& path);

/// `text` if it is a JSON object that a job may have; without what editors on Windows save in front of it. `from`: "" or
/// " in FILE", for the sentence.
Result<std::string> checked_payload(std::string text, const std::string& from = {});

}  // namespace emprops::cli
