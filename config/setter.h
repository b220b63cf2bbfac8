#pragma once
// Puts one value from one place into its struct, and notes the problem or the origin. Internal to config/.

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "config/fields.h"
#include "config/layers.h"
#include "config/load.h"

namespace emprops::config {

/// Takes a value, relative to a folder, into the place that it is for.
using Sink =
    std::function<settings::Complaint(const settings::Json& value, const std::filesystem::path& base)>;

/// The place of a row in a struct, which must outlive the sink.
template <class Owner>
Sink sink(const std::optional<settings::Row<Owner>>& row, Owner& owner) {
    return [&row = *row, &owner](const settings::Json& value, const std::filesystem::path& base) {
        return row.read(owner, value, base);
    };
}

class Setter {
  public:
    explicit Setter(Loaded& out) : out_(out) {}

    void problem(Severity severity, const std::string& where, const std::string& message);

    /// A key of a TOML file. Of a table each entry is set for itself, so that its own line is named.
    void set(const settings::RowInfo& row, const FileSource& file, const TomlEntry& entry, const Sink& into,
             const std::string& full_key);
    void set(const settings::RowInfo& row, const settings::Json& value, const Sink& into,
             const std::string& full_key, const Origin& origin, const std::filesystem::path& base);
    /// All variables of `source` that mean this row; of several, the first of `names` wins, but each is checked.
    void set_from(const VariableSource& source, std::span<const std::string> names,
                  const settings::RowInfo& row, const Sink& into, const std::string& full_key);
    /// An override of the command line. `below` is what stands in the key after the row's own ("" or "hub" of
    /// log.levels.hub): the value is then one entry of that table.
    void set(const settings::RowInfo& row, const Override& override, std::string_view below, const Sink& into,
             const std::string& full_key, const std::filesystem::path& base);

    /// "unknown key `hub.tokn`; did you mean `hub.token`?", or the warning that this is no setting any more.
    void unknown_key(const std::string& where, const std::string& full_key,
                     std::span<const std::string> candidates);
    void retired(const std::string& where, const std::string& name, const settings::Retired& retired);

  private:
    void note(const settings::RowInfo& row, const settings::Complaint& complaint,
              const settings::Json& entries, const std::string& full_key, const Origin& origin);

    Loaded& out_;
};

}  // namespace emprops::config
