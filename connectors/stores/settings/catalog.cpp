#include "connectors/stores/settings/catalog.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <type_traits>

#include "connectors/stores/http/url.h"
#include "connectors/stores/kinds/azure.h"
#include "connectors/stores/kinds/directory.h"
#include "connectors/stores/kinds/http_put.h"
#include "connectors/stores/kinds/inline.h"
#include "connectors/stores/kinds/reference.h"
#include "connectors/stores/kinds/s3.h"
#include "connectors/stores/names/key_template.h"
#include "connectors/stores/settings/rows.h"
#include "connectors/stores/settings/secrets.h"
#include "ipc/json_text.h"
#include "ipc/text/nearest.h"
#include "ipc/text/people.h"
#include "ipc/web/base64.h"
#include "ipc/web/url.h"

namespace emprops::stores {
namespace {

/// A setting that cannot be: its key, and what is wrong with it.
struct Wrong {
    std::string key, why;
};

void need(const std::string& value, const char* key) {
    if (value.empty()) throw Wrong{key, "is missing"};
}

void check_readable(const char* key, const std::string& path) {
    if (path.empty() || std::ifstream(path).good()) return;
    throw Wrong{key, "names the file " + path + ", which cannot be read"};
}

void check_read(const Error& error) {
    const std::size_t colon = error.message.find(": ");
    throw Wrong{error.message.substr(0, colon), error.message.substr(colon + 2)};
}

/// "https://host/path", without a "/" at its end.
void check_base(const char* key, std::string& url) {
    if (url.empty()) return;
    const auto parsed = web::Url::parse(url);
    const bool web = parsed.ok() && (parsed->scheme == "http" || parsed->scheme == "https");
    if (!web || !parsed->query.empty() || !parsed->user.empty())
        throw Wrong{key, "must be http(s)://host[:port][/path], without user and query"};
    while (url.ends_with('/'))
        url.pop_back();
}

void check_key(const StoreSettings& settings) {
    if (const auto wrong = wrong_path(settings.key)) throw Wrong{"key", *wrong};
    if (const auto wrong = wrong_template(settings.key)) throw Wrong{"key", *wrong};
    if (settings.jobs_prefix.empty()) return;
    if (const auto wrong = wrong_path(settings.jobs_prefix)) throw Wrong{"jobs_prefix", *wrong};
    if (const auto wrong = wrong_words(settings.jobs_prefix)) throw Wrong{"jobs_prefix", *wrong};
}

void check_ctx(const StoreSettings& settings) {
    if (!settings.ctx.empty() && !settings.jobs)
        throw Wrong{"ctx", "is for jobs, which may not use this store: set jobs = true as well"};
    for (const std::string& each : settings.ctx) {
        const std::size_t colon = each.find(':');
        if (colon == std::string::npos || colon == 0 || colon + 1 == each.size())
            throw Wrong{"ctx", "holds \"" + each + "\"; write provider:bucket, such as azure:renders"};
    }
}

void check_server(StoreSettings& settings) {
    check_base("public_url", settings.public_url);
    check_readable("ca_file", settings.ca_file);
}

void check(DirectorySettings& settings) {
    need(settings.path, "path");
    if (!std::filesystem::path(settings.path).is_absolute()) throw Wrong{"path", "must be an absolute path"};
    check_key(settings);
    check_base("public_url", settings.public_url);
}

void check(HttpPutSettings& settings) {
    need(settings.url, "url");
    // Nothing there says whose a file is: a job's could take the place of another one's.
    if (settings.jobs)
        throw Wrong{"jobs",
                    "is for s3, azure and directory; jobs send to servers by URLs of their own, "
                    "see stores.put_allow"};
    check_server(settings);
    const bool by_key = settings.url.find("{key}") != std::string::npos;
    if (settings.url.find('{') == std::string::npos) {
        const std::size_t query = std::min(settings.url.find('?'), settings.url.size());
        const bool slash = query > 0 && settings.url[query - 1] == '/';
        settings.url.insert(query, slash ? "{key}" : "/{key}");
    } else if (!by_key && !settings.public_url.empty()) {
        throw Wrong{"public_url", "stands before the key, and url has none: write {key} into it"};
    }
    const std::string host =
        settings.url.substr(0, settings.url.find_first_of("/?#", settings.url.find("://") + 3));
    if (host.find('{') != std::string::npos) throw Wrong{"url", "must not take its host from a job"};
    const auto parsed = web::Url::parse(settings.url);
    if (!is_web_address(settings.url) || !parsed.ok())
        throw Wrong{"url", "must be http(s)://host[:port]/..."};
    if (const auto wrong = wrong_template(settings.url, {"key"})) throw Wrong{"url", *wrong};
    check_key(settings);
    if (settings.headers_file.empty()) return;
    if (const auto headers = read_headers("headers_file", settings.headers_file); !headers.ok())
        check_read(headers.error());
}

void check(S3Settings& settings) {
    need(settings.endpoint, "endpoint");
    need(settings.bucket, "bucket");
    check_server(settings);
    check_base("endpoint", settings.endpoint);
    if (settings.bucket.find('/') != std::string::npos) throw Wrong{"bucket", "must not have a \"/\" in it"};
    check_key(settings);
    const auto keys = aws_keys_of(settings);
    if (!keys.ok()) check_read(keys.error());
    need(keys->access_key, "access_key");
    need(keys->secret_key, "secret_key");
}

void check(AzureSettings& settings) {
    need(settings.account, "account");
    need(settings.container, "container");
    check_server(settings);
    if (settings.endpoint.empty())
        settings.endpoint = "https://" + settings.account + ".blob.core.windows.net";
    check_base("endpoint", settings.endpoint);
    if (settings.container.find('/') != std::string::npos)
        throw Wrong{"container", "must not have a \"/\" in it"};
    check_key(settings);
    const auto sas = secret_of(settings.sas, "sas_file", settings.sas_file);
    if (!sas.ok()) check_read(sas.error());
    if (!sas->empty()) return;
    const auto key = secret_of(settings.account_key, "account_key_file", settings.account_key_file);
    if (!key.ok()) check_read(key.error());
    if (key->empty()) throw Wrong{"account_key", "is missing; or give sas, or a file with one of them"};
    if (!web::base64_decode(*key).ok())
        throw Wrong{"account_key", "is no base64, and so no key of an account"};
}

void check(ReferenceSettings& settings) {
    check_base("base_url", settings.base_url);
}

void check(InlineSettings&) {}

template <class Settings>
Settings read_kind(const std::string& name, const Json& table) {
    Settings settings;
    const std::string place = "stores." + name;
    SettingSources sources;
    sources.lookup = [](std::string_view) { return std::optional<EnvValue>(); };
    try {
        read_rows(rows_of(static_cast<const Settings*>(nullptr)), table, sources, settings);
        check(settings);
        check_ctx(settings);
    } catch (const Wrong& wrong) {
        throw ConfigurationError(place + "." + wrong.key + " " + wrong.why);
    } catch (const ConfigurationError& wrong) {
        const std::string why = wrong.what();
        throw ConfigurationError(place + (why.starts_with("unknown setting") ? ": " : ".") + why);
    }
    return settings;
}

struct Kind {
    const char* type;
    std::function<AnyStore(const std::string&, const Json&)> read;
};

const std::vector<Kind>& kinds() {
    static const std::vector<Kind> all{
        {"directory", read_kind<DirectorySettings>},
        {"http_put", read_kind<HttpPutSettings>},
        {"s3", read_kind<S3Settings>},
        {"azure", read_kind<AzureSettings>},
        {"reference", read_kind<ReferenceSettings>},
        {"inline", read_kind<InlineSettings>},
    };
    return all;
}

/// What opens a store of this kind, and where it is: the keys that a message names.
struct Opening {
    const std::string& name;
    const Road& road;
    std::uint64_t inline_most;

    Words words(const char* address, const char* access) const {
        const std::string place = "stores." + name + ".";
        return {name, place + address, place + access, place + "ca_file"};
    }
    std::unique_ptr<Store> operator()(const DirectorySettings& settings) const {
        return make_directory(settings, words("key", "path"), road);
    }
    std::unique_ptr<Store> operator()(const HttpPutSettings& settings) const {
        return make_http_put(settings, words("url", "headers"), road);
    }
    std::unique_ptr<Store> operator()(const S3Settings& settings) const {
        return make_s3(settings, words("endpoint (and region)", "access_key and secret_key"), road);
    }
    std::unique_ptr<Store> operator()(const AzureSettings& settings) const {
        return make_azure(settings, words("endpoint", "account_key or sas"), road);
    }
    std::unique_ptr<Store> operator()(const ReferenceSettings& settings) const {
        // The built-in one has no table: its address stands among the worker's own settings of files.
        Words named = words("base_url", "base_url");
        if (name == "reference") named.address = "reference_base_url";
        return make_reference(settings, named);
    }
    std::unique_ptr<Store> operator()(const InlineSettings&) const { return make_inline(inline_most); }
};

web::HostList read_put_allow(const Json& list) {
    const std::string key = "stores." + std::string(web::put_allow_key);
    const auto hosts = ipc::all_texts(list);
    if (!hosts) throw ConfigurationError(key + " must be a list of hosts");
    auto read = web::HostList::parse(*hosts);
    if (!read.ok()) throw ConfigurationError(key + ": " + read.error().message);
    return std::move(*read);
}

}  // namespace

AnyStore read_store(const std::string& name, const Json& table) {
    const std::string place = "stores." + name;
    if (!table.is_object()) throw ConfigurationError(place + " must be a table");
    const std::string type = table.contains("type") && table["type"].is_string()
                                 ? table["type"].get<std::string>()
                             : name == "inline" || name == "reference" ? name
                                                                       : "";
    if ((name == "inline" || name == "reference") && type != name)
        throw ConfigurationError(place + ": a store of this name is of the type \"" + name +
                                 "\"; give it another one");
    std::vector<std::string> types;
    std::string all;
    for (const Kind& kind : kinds()) {
        if (type == kind.type) return kind.read(name, table);
        types.push_back(kind.type);
        add_item(all, types.back());
    }
    const auto meant = text::meant(type, types);
    throw ConfigurationError(place + ".type " +
                             (type.empty() ? "is missing" : "\"" + type + "\" is no kind of store") + "; " +
                             (meant ? "did you mean \"" + *meant + "\"?" : "there are " + all));
}

AnyStore of_job(AnyStore store, const std::optional<std::string>& prefix, const std::string& public_url) {
    std::visit(
        [&](StoreSettings& settings) {
            std::string key = settings.jobs_prefix;
            for (const std::string& part : {prefix.value_or(""), prefix ? "{filename}" : settings.key})
                if (!part.empty()) key += (key.empty() ? "" : "/") + part;
            settings.key = key;
            if (!public_url.empty()) settings.public_url = public_url;
        },
        store);
    return store;
}

Catalog Catalog::read(const Json& stores) {
    Catalog catalog;
    std::map<std::string, std::string> of_ctx;
    if (!stores.is_null() && !stores.is_object()) throw ConfigurationError("stores must be a table");
    for (const auto& item : stores.items()) {
        if (item.key() == web::put_allow_key) {
            catalog.put_hosts_ = read_put_allow(item.value());
            continue;
        }
        if (item.key().empty()) throw ConfigurationError("a store has an empty name");
        catalog.stores_[item.key()] = read_store(item.key(), item.value());
        for (const std::string& ctx : catalog.common(item.key()).ctx)
            if (const auto [at, added] = of_ctx.emplace(ctx, item.key()); !added)
                throw ConfigurationError("stores." + item.key() + ".ctx holds \"" + ctx +
                                         "\", which is stores." + at->second + " already");
    }
    for (const char* name : {"inline", "reference"})
        catalog.stores_.emplace(name, read_store(name, Json::object()));
    return catalog;
}

const AnyStore* Catalog::find(const std::string& name) const {
    const auto found = stores_.find(name);
    return found == stores_.end() ? nullptr : &found->second;
}

std::vector<std::string> Catalog::names() const {
    std::vector<std::string> names;
    for (const auto& each : stores_)
        names.push_back(each.first);
    return names;
}

const StoreSettings& Catalog::common(const std::string& name) const {
    return std::visit([](const auto& settings) -> const StoreSettings& { return settings; },
                      stores_.at(name));
}

std::unique_ptr<Store> Catalog::open(const std::string& name, const AnyStore& settings, const Road& road,
                                     std::uint64_t inline_most) {
    return std::visit(Opening{name, road, inline_most}, settings);
}

std::string store_tables() {
    const auto own = [](const auto& row) {
        const auto& shared = shared_rows();
        return std::none_of(shared.begin(), shared.end(),
                            [&](const auto& each) { return each.key == row.key; });
    };
    const auto table = [&own](const char* type, const auto& rows) {
        std::remove_cvref_t<decltype(rows)> those;
        std::copy_if(rows.begin(), rows.end(), std::back_inserter(those), own);
        return "### `" + std::string(type) + "`\n\n" + settings_page(those) + "\n";
    };
    return "### All kinds (TLS and times: servers)\n\n" + settings_page(shared_rows()) + "\n" +
           table("directory", rows_of(static_cast<const DirectorySettings*>(nullptr))) +
           table("http_put", rows_of(static_cast<const HttpPutSettings*>(nullptr))) +
           table("s3", rows_of(static_cast<const S3Settings*>(nullptr))) +
           table("azure", rows_of(static_cast<const AzureSettings*>(nullptr))) +
           table("reference", rows_of(static_cast<const ReferenceSettings*>(nullptr)));
}

}  // namespace emprops::stores
