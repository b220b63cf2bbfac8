#include "connectors/comfyui/transfer/destinations/from_store.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "connectors/stores/cargo/descriptor.h"
#include "connectors/stores/kinds/directory.h"
#include "connectors/stores/kinds/http_put.h"
#include "connectors/stores/kinds/s3.h"

namespace emprops::comfyui {
namespace {

Cause cause_of(stores::Trouble trouble) {
    switch (trouble) {
        case stores::Trouble::too_large:
            return Cause::result_too_large;
        case stores::Trouble::disk:
            return Cause::disk;
        case stores::Trouble::configuration:
            return Cause::configuration;
        default:
            return Cause::delivery;
    }
}

Placement placement_of(stores::Outcome outcome) {
    if (auto* placed = std::get_if<stores::Placed>(&outcome)) return Placed{std::move(placed->entry)};
    if (auto* spilled = std::get_if<stores::NotHere>(&outcome))
        return Spilled{std::move(spilled->why), std::move(spilled->cure)};
    auto& setback = std::get<stores::Setback>(outcome);
    return Setback{failure_of(cause_of(setback.trouble), std::move(setback.message)), setback.passing,
                   setback.wait};
}

void set_server(stores::StoreSettings& store, const Settings& settings, const OutputSettings& rules) {
    store.verify_tls = rules.verify_tls;
    store.ca_file = rules.ca_file;
    store.connect_timeout = settings.limits.connect;
    store.timeout = settings.limits.download;
}

}  // namespace

Destination from_store(std::unique_ptr<stores::Store> made) {
    return [store = std::shared_ptr<stores::Store>(std::move(made))](const Cargo& cargo) -> Placement {
        const stores::Descriptor file(::open(cargo.path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file.ok()) {
            return Setback{
                failure_of(Cause::disk, "cannot read " + cargo.path + " again: " + std::strerror(errno))};
        }
        return placement_of(store->bring({file.get(), cargo.size, cargo.sha256, cargo.file.filename,
                                          cargo.file.mime_type, "", cargo.values, cargo.path}));
    };
}

Destination make_directory(const OutputSettings& rules, stores::Road road) {
    stores::DirectorySettings store;
    store.path = rules.directory;
    store.key = rules.directory_template;
    return from_store(
        stores::make_directory(store, {"directory", "directory_template", "directory"}, std::move(road)));
}

Destination make_put(const Settings& settings, const OutputSettings& rules, stores::Road road) {
    stores::HttpPutSettings store;
    set_server(store, settings, rules);
    store.url = rules.http_put_url;
    store.headers = rules.http_put_headers;
    return from_store(stores::make_http_put(
        store, {"http_put", "http_put_url", "http_put_headers", "deliver_ca_file"}, std::move(road)));
}

Destination make_s3(const Settings& settings, const OutputSettings& rules, stores::Road road) {
    const S3Settings& own = rules.s3;
    stores::S3Settings store;
    set_server(store, settings, rules);
    store.endpoint = own.endpoint;
    store.bucket = own.bucket;
    store.region = own.region;
    store.key = own.key_template;
    store.access_key = own.access_key;
    store.secret_key = own.secret_key;
    store.session_token = own.session_token;
    store.public_url = own.public_url;
    return from_store(stores::make_s3(
        store, {"s3", "s3_endpoint (and s3_region)", "s3_access_key and s3_secret_key", "deliver_ca_file"},
        std::move(road)));
}

}  // namespace emprops::comfyui
