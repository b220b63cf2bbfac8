#pragma once
// Credentials that stand in files, read anew for each job: whoever renews them need not restart anybody, and a file that
// is just being written is read once more. Blocking; any thread.

#include <map>
#include <string>
#include <thread>

#include "connectors/stores/settings/settings.h"
#include "connectors/stores/tries.h"
#include "ipc/result.h"

namespace emprops::stores {

/// The file's text without the blanks and line ends around it; empty or unreadable is an error, which never repeats it.
Result<std::string> read_secret(const std::string& key, const std::string& path);
/// `value`, or what stands in the file of `path` if that is not empty. `key`: of the path, for people.
Result<std::string> secret_of(const std::string& value, const std::string& key, const std::string& path);

/// What `read` gives, a Result; where that is an error once more after `pause`: somebody may be writing the file at this
/// moment.
template <class Read>
auto read_twice(Read read, Ms pause = Ms{100}) -> decltype(read()) {
    auto value = read();
    if (value.ok()) return value;
    std::this_thread::sleep_for(pause);
    return read();
}

/// Lines "Name: value"; empty lines and those that begin with "#" say nothing.
Result<std::map<std::string, std::string>> read_headers(const std::string& key, const std::string& path);

/// From `access_key` and its like, the files of them, or the profile of an AWS credentials file.
Result<AwsKeys> aws_keys_of(const S3Settings& settings);

}  // namespace emprops::stores
