#pragma once
// A file to a server. What all stores that are servers have in common: how they are reached, and what their answers mean
// for a file.

#include <optional>
#include <string>

#include "connectors/stores/http/client.h"
#include "connectors/stores/settings/settings.h"
#include "connectors/stores/store.h"

namespace emprops::stores {

/// What is asked of a store: its settings, its names for people, the job.
struct Uploads {
    const StoreSettings& settings;
    const Words& words;
    const Road& road;
};

/// A request with what the settings say about servers.
HttpRequest store_request(const Uploads& uploads, std::string method, std::string url);
/// The bytes of the file become its body, and are told as moved beyond `before`.
void carry(HttpRequest& request, const Uploads& uploads, const Cargo& cargo, std::uint64_t offset,
           std::uint64_t size);

/// Null: it is done. Else why the file is not there.
std::optional<Setback> judge(const HttpAnswer& answer, const HttpRequest& request, const Uploads& uploads,
                             const Cargo& cargo);
/// "cannot store "a.png" by s3 at https://...: why".
std::string cannot_store(const Uploads& uploads, const Cargo& cargo, const std::string& url,
                         const std::string& why);
/// The request may have been done, although nobody said so.
bool is_lost(const HttpAnswer& answer);

/// The text between <name> and </name>, the first one; empty: there is none.
std::string xml_element(const std::string& xml, const std::string& name);

}  // namespace emprops::stores
