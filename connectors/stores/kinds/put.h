#pragma once
// A URL that a job has brought along (presigned, as a rule): the file is its body, once. Not an operator's store: where it
// leads is a stranger's choice, and its query is a secret.

#include <map>
#include <memory>
#include <string>

#include "connectors/stores/store.h"
#include "ipc/web/host_list.h"

namespace emprops::stores {

struct PutOrder {
    std::string name;  ///< for people: "outputs.to[0]"
    std::string url;
    std::map<std::string, std::string> headers;
};

/// `allowed` names the servers; the address that is connected to must be a public one, or named there itself. No sentence
/// of this store tells the query, or a header's value.
std::unique_ptr<Store> make_put(PutOrder order, web::HostList allowed, Road road);

/// `text` without what of the URL's query and of the headers' values stands in it, coded or not. Pure.
std::string without_secrets_of(std::string text, const PutOrder& order);

}  // namespace emprops::stores
