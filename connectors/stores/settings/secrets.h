#pragma once
// Credentials that stand in files, read anew for each job: whoever renews them need not restart anybody. Blocking; any
// thread.

#include <map>
#include <string>

#include "connectors/stores/settings/settings.h"
#include "ipc/result.h"

namespace emprops::stores {

/// The file's text without the blanks and line ends around it; empty or unreadable is an error, which never repeats it.
Result<std::string> read_secret(const std::string& key, const std::string& path);
/// `value`, or what stands in the file of `path` if that is not empty. `key`: of the path, for people.
Result<std::string> secret_of(const std::string& value, const std::string& key, const std::string& path);

/// Lines "Name: value"; empty lines and those that begin with "#" say nothing.
Result<std::map<std::string, std::string>> read_headers(const std::string& key, const std::string& path);

/// From `access_key` and its like, the files of them, or the profile of an AWS credentials file.
Result<AwsKeys> aws_keys_of(const S3Settings& settings);

}  // namespace emprops::stores
