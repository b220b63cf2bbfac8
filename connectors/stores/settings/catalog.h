#pragma once
// The stores of an operator by their names, read from the table `stores`. Built once, then only read, from any thread.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "connectors/stores/settings/settings.h"
#include "connectors/stores/store.h"
#include "ipc/web/host_list.h"

namespace emprops::stores {

using AnyStore = std::variant<DirectorySettings, HttpPutSettings, S3Settings, AzureSettings,
                              ReferenceSettings, InlineSettings>;

/// One store, from its table. Throws ConfigurationError, which names stores.NAME and the key.
AnyStore read_store(const std::string& name, const Json& table);

/// The same store for what a job sends there itself: below the operator's jobs_prefix and the prefix that the job names,
/// if it does, under the file's name. `public_url`: in place of the store's, if it is not empty.
AnyStore of_job(AnyStore store, const std::optional<std::string>& prefix, const std::string& public_url);

class Catalog {
  public:
    /// `stores`: name -> table, and put_allow -> list of servers. `inline` and `reference` are there also without a table.
    static Catalog read(const Json& stores);

    /// Null: there is none of this name.
    const AnyStore* find(const std::string& name) const;
    std::vector<std::string> names() const;
    /// To which jobs may send files by URLs of their own.
    const web::HostList& put_hosts() const { return put_hosts_; }
    const StoreSettings& common(const std::string& name) const;

    /// The store for one job; nothing of the catalog is used by it. `inline_most`: bytes that its entry may hold.
    static std::unique_ptr<Store> open(const std::string& name, const AnyStore& settings, const Road& road,
                                       std::uint64_t inline_most);

  private:
    std::map<std::string, AnyStore> stores_;
    web::HostList put_hosts_;
};

/// The settings of each kind as Markdown tables, for the README.
std::string store_tables();

}  // namespace emprops::stores
