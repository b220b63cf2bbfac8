#include "connectors/courier/settings.h"

#include <filesystem>

namespace emprops::courier {
namespace {

const SettingRows<Settings>& setting_rows() {
    using S = Settings;
    static const SettingRows<S> rows{
        row(&S::stores, "stores", "A table of stores by their names, see connectors/stores."),
        row(&S::deliver_timeout, "deliver_timeout", "What may pass is tried again for so long, per file.")
            .within(0, 7 * 24 * 3600),
        row(&S::spool, "spool",
            "Absolute path of the folder in which the files are; the courier reads no other."),
        row(&S::uid, "uid", "Number of the user who may own the files, beside the courier's own.")
            .at_least(0),
    };
    return rows;
}

}  // namespace

Settings read_settings(const stores::Json& given) {
    Settings settings;
    SettingSources sources;
    sources.lookup = [](std::string_view) { return std::optional<EnvValue>(); };
    read_rows(setting_rows(), given, sources, settings);
    if (!settings.spool.empty() && !std::filesystem::path(settings.spool).is_absolute())
        throw ConfigurationError("spool must be an absolute path");
    settings.catalog = stores::Catalog::read(settings.stores);
    return settings;
}

}  // namespace emprops::courier
