#pragma once
// Keeps what belongs to the worker from others: its memory and environment (the Hub's token) from other processes of
// the same user, which the connectors are; our folders from other users. Linux only.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace emprops {

/// After it, only root reads /proc/<pid>/environ, mem and the like of this process and of its forks (until
/// they exec), nobody but root attaches a debugger, and no core is dumped when it crashes. Does not reach
/// files: a token in a file that the connectors' user may read is theirs.
void hide_from_own_user();

/// Creates `folder` and its parents; the folder itself, if it is new, for its user only (it holds clients'
/// payloads, results, sockets). One that was there stays as it is.
std::error_code make_private_folder(const std::filesystem::path& folder);

/// Why a folder of ours cannot be used as it is, with what to run: others may write in it, and could put a link where
/// a file of ours belongs. `setting` names another one. Empty: nothing is wrong.
std::string others_may_write(const std::filesystem::path& folder, const std::string& setting);

/// open(2) of a file of ours, which no link may stand for. -1 and errno.
int open_own_file(const std::filesystem::path& file, int flags, mode_t mode = 0600);
/// What errno of that means, with the cure where there is one.
std::string open_problem(int number);

/// fsync(2) of a folder: the names in it survive a power cut. 0 or errno.
int sync_folder(const std::filesystem::path& folder);

/// Whether errno of a lock says that the file system has none, and not that somebody else holds it.
bool means_no_locks(int number);
/// What to do then: a sentence's end.
std::string without_locks(int number, const std::string& setting);

}  // namespace emprops
