#pragma once
// Keeps what belongs to the worker from others: its memory and environment (the Hub's token) from other processes of the
// same user, which the connectors are; our folders from other users. Linux only.

#include <filesystem>
#include <system_error>

namespace emprops {

/// After it, only root reads /proc/<pid>/environ, mem and the like of this process and of its forks (until
/// they exec), nobody but root attaches a debugger, and no core is dumped when it crashes. Does not reach
/// files: a token in a file that the connectors' user may read is theirs.
void hide_from_own_user();

/// Creates `folder` and its parents; the folder itself, if it is new, for its user only (it holds clients'
/// payloads, results, sockets). One that was there stays as it is.
std::error_code make_private_folder(const std::filesystem::path& folder);

}  // namespace emprops
