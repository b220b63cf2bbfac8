#pragma once
// The stores of an operator by their names, read from the table `stores`. Built once, then only read, from any thread.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "connectors/stores/settings/settings.h"
#include "connectors/stores/store.h"

namespace emprops::stores {

using AnyStore = std::variant<DirectorySettings, HttpPutSettings, S3Settings, AzureSettings,
                              ReferenceSettings, InlineSettings>;

/// One store, from its table. Throws ConfigurationError, which names stores.NAME and the key.
AnyStore read_store(const std::string& name, const Json& table);

class Catalog {
  public:
    /// `stores`: name -> table. `inline` and `reference` are there also without a table.
    static Catalog read(const Json& stores);

    /// Null: there is none of this name.
    const AnyStore* find(const std::string& name) const;
    std::vector<std::string> names() const;
    const StoreSettings& common(const std::string& name) const;

    /// The store for one job; nothing of the catalog is used by it. `inline_most`: bytes that its entry may hold.
    static std::unique_ptr<Store> open(const std::string& name, const AnyStore& settings, const Road& road,
                                       std::uint64_t inline_most);

  private:
    std::map<std::string, AnyStore> stores_;
};

/// The settings of each kind as Markdown tables, for the README.
std::string store_tables();

}  // namespace emprops::stores
