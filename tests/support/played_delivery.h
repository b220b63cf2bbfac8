#pragma once
// The worker's part of a result with files, played: each goes to the first store that takes it, of `inline` and
// `reference`, and its entry stands where the result names it. For tests of connectors without a worker.

#include <nlohmann/json.hpp>
#include <string>

namespace emprops::test {

/// What `hello` says of files.
nlohmann::json offer_of_files();
/// `message`: a `result` of the connector. Its files are read now.
nlohmann::json with_delivered_files(nlohmann::json message);

}  // namespace emprops::test
