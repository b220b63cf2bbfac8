#include "config/comfyui_stores.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "config/fields.h"
#include "config/masked.h"
#include "config/rows/row.h"
#include "config/rows/toml_text.h"
#include "ipc/text/people.h"
#include "ipc/text/values.h"
#include "ipc/text/variables.h"
#include "ipc/web/url.h"

namespace emprops::config {

namespace {

using nlohmann::json;
using settings::row;

constexpr const char* old_key = "{job_id}/{node}/{filename}";

struct OldKeys {
    std::vector<std::string> deliver;
    std::string directory, directory_template = old_key;
    bool verify_tls = true;
    std::string ca_file;
    std::string http_put_url;
    settings::Texts http_put_headers;
    std::string endpoint, bucket, region, key_template = old_key, access_key, secret_key, session_token;
    std::string public_url;
};

const settings::Rows<OldKeys>& old_rows() {
    using O = OldKeys;
    static const settings::Rows<OldKeys> rows{
        row(&O::deliver, "deliver", settings::some_of({"inline", "reference", "directory", "http_put", "s3"}),
            ""),
        row(&O::directory, "directory", ""),
        row(&O::directory_template, "directory_template", ""),
        row(&O::verify_tls, "deliver_verify_tls", ""),
        row(&O::ca_file, "deliver_ca_file", ""),
        row(&O::http_put_url, "http_put_url", ""),
        row(&O::http_put_headers, "http_put_headers", settings::Headers(), "").hidden(),
        row(&O::endpoint, "s3_endpoint", ""),
        row(&O::bucket, "s3_bucket", ""),
        row(&O::region, "s3_region", ""),
        row(&O::key_template, "s3_key_template", ""),
        row(&O::access_key, "s3_access_key", "").hidden(),
        row(&O::secret_key, "s3_secret_key", "").hidden(),
        row(&O::session_token, "s3_session_token", "").hidden(),
        row(&O::public_url, "s3_public_url", ""),
    };
    return rows;
}

/// `command` runs the connector of ComfyUI, perhaps behind another program (`nice`).
bool is_comfyui(const ConnectorSettings& connector) {
    if (connector.command.empty()) return connector.name == "comfyui";
    return std::any_of(connector.command.begin(), connector.command.end(), [](const std::string& part) {
        return std::filesystem::path(part).filename() == "emprops-connector-comfyui";
    });
}

/// The connector's variables of a key, the one that wins first.
std::vector<std::string> variables_of(const ConnectorSettings& connector, const std::string& key) {
    std::vector<std::string> names;
    for (const std::string& kind : {text::variable_name(connector.name), std::string("COMFYUI")})
        for (const char* generation : {"WORKER_", ""})
            names.push_back(generation + kind + "_" + text::variable_name(key));
    return names;
}

/// Values that a store's name of a file has not: a job has one prompt, and folders say nothing more.
std::string as_key(std::string text) {
    for (const auto& [old, now] :
         {std::pair("{prompt_id}", "{job_id}"), std::pair("{subfolder}/", ""), std::pair("{subfolder}", "")})
        text = text::replaced(std::move(text), old, now);
    return text;
}

bool has(const std::string& text, const char* word) {
    return text.find(word) != std::string::npos;
}

/// As above, with the words that a key of a store has to have: the old ones could do without, and files took the place of
/// others.
std::string as_whole_key(const std::string& text) {
    std::string key = as_key(text);
    if (!has(key, "{job_id}") && !has(key, "{sha256}")) key.insert(0, "{job_id}/");
    const bool tells_files = has(key, "{filename}") || has(key, "{index}") || has(key, "{sha256}") ||
                             (has(key, "{stem}") && has(key, "{ext}"));
    if (!tells_files) key += key.ends_with('/') ? "{filename}" : "/{filename}";
    return key;
}

/// The same for an address that has words in it; one without gets the key of the store.
std::string as_address(const std::string& text) {
    std::string url = as_key(text);
    if (!has(url, "{") || has(url, "{job_id}") || has(url, "{sha256}") || has(url, "{key}")) return url;
    url.insert(url.find('{'), "{job_id}-");
    return url;
}

/// A host whose first label is the bucket, as S3 services name them in their consoles.
bool is_storage_host(std::string_view host) {
    return host.starts_with("s3.") || host.starts_with("s3-") ||
           host.find("storage") != std::string_view::npos || host.find("spaces") != std::string_view::npos;
}

/// The bucket stands in the endpoint as often as beside it ("http://minio:9000/renders",
/// "https://renders.s3.amazonaws.com"), and as "s3://renders" in its own setting: it is taken out of both.
void tell_bucket_from_endpoint(OldKeys& keys) {
    if (keys.bucket.starts_with("s3://")) keys.bucket.erase(0, 5);
    while (keys.bucket.ends_with('/'))
        keys.bucket.pop_back();
    const auto url = web::Url::parse(keys.endpoint);
    if (!url.ok()) return;
    std::string host = url->host;
    std::string path = url->path;
    while (path.ends_with('/'))
        path.pop_back();
    const std::string last = path.substr(path.rfind('/') + 1);
    if (!last.empty() && (last == keys.bucket || keys.bucket.empty())) {
        keys.bucket = last;
        path.erase(path.size() - last.size() - 1);
    } else if (const std::string front = keys.bucket + "."; !keys.bucket.empty() && host.starts_with(front) &&
                                                            is_storage_host(host.substr(front.size()))) {
        host.erase(0, front.size());
    } else {
        return;
    }
    keys.endpoint = url->scheme + "://" + web::Url::authority(host, url->port) + path;
}

/// One of the places that the connector brought files to: its table as a store, or the key that is missing.
struct OldPlace {
    std::string name;
    json table;
    std::string missing;  ///< of the keys that it needs; empty: none
    bool begun = false;   ///< one of its keys is set
};

json server(json table, const OldKeys& keys) {
    if (!keys.verify_tls) table["verify_tls"] = false;
    if (!keys.ca_file.empty()) table["ca_file"] = keys.ca_file;
    return table;
}

void add_if_set(json& table, const char* key, const std::string& value) {
    if (!value.empty()) table[key] = value;
}

std::vector<OldPlace> places_of(OldKeys keys) {
    tell_bucket_from_endpoint(keys);
    std::vector<OldPlace> places;
    places.push_back(
        {"directory",
         {{"type", "directory"}, {"path", keys.directory}, {"key", as_whole_key(keys.directory_template)}},
         keys.directory.empty() ? "directory" : "",
         !keys.directory.empty()});
    json put = server({{"type", "http_put"}, {"url", as_address(keys.http_put_url)}}, keys);
    if (!keys.http_put_headers.empty()) put["headers"] = keys.http_put_headers;
    places.push_back({"http_put", std::move(put), keys.http_put_url.empty() ? "http_put_url" : "",
                      !keys.http_put_url.empty()});
    OldPlace s3{"s3", server({{"type", "s3"}, {"key", as_whole_key(keys.key_template)}}, keys), "", false};
    for (const auto& [key, old, value] : {std::tuple("endpoint", "s3_endpoint", &keys.endpoint),
                                          std::tuple("bucket", "s3_bucket", &keys.bucket),
                                          std::tuple("access_key", "s3_access_key", &keys.access_key),
                                          std::tuple("secret_key", "s3_secret_key", &keys.secret_key)}) {
        s3.table[key] = *value;
        s3.begun = s3.begun || !value->empty();
        if (value->empty() && s3.missing.empty()) s3.missing = old;
    }
    add_if_set(s3.table, "region", keys.region);
    add_if_set(s3.table, "session_token", keys.session_token);
    add_if_set(s3.table, "public_url", keys.public_url);
    places.push_back(std::move(s3));
    for (OldPlace& place : places) {
        if (place.name == "http_put") continue;  // it cannot say whose a file is
        place.table["jobs"] = true;              // a job could name each of them
        place.table["jobs_prefix"] = "{job_id}";
    }
    return places;
}

std::string as_toml(const json& table) {
    std::string text;
    for (const auto& [key, value] : table.items())  // the store's `key` is a template
        add_item(text, key + " = " +
                           settings::toml_value(key == "headers" ? json("(hidden)")
                                                : key == "key"   ? value
                                                                 : masked(key, value)));
    return text;
}

/// What one connector has of the old settings, taken away from it.
class OldConnector {
  public:
    /// `made`: the stores that were made of other connectors' settings.
    OldConnector(Loaded& loaded, ConnectorSettings& connector, std::set<std::string>& made)
        : loaded_(loaded), connector_(connector), made_(made) {}

    void run() {
        for (const auto& each : old_rows())
            take(each);
        if (given_.empty() || failed_) return;
        for (OldPlace& place : places_of(keys_))
            make(place);
        deliver();
        std::string names;
        for (const std::string& name : given_)
            add_item(names, "`" + name + "`");
        problem(
            Severity::warning,
            "connector `" + connector_.name + "` delivers no files itself any more, the worker does: " +
                names + (given_.size() == 1 ? " is" : " are") + " taken as below for this version only. " +
                (advice_.empty() ? "They say nothing: remove them" : "Write instead: " + advice_) + notes_);
    }

  private:
    void problem(Severity severity, const std::string& message) {
        loaded_.problems.push_back({severity, where_, message});
    }

    std::string origin_of(const std::string& key) {
        const auto found = loaded_.origins.find(full_key(connector_, key));
        std::string where =
            found == loaded_.origins.end() ? "connectors." + connector_.name : found->second.where;
        if (found != loaded_.origins.end()) loaded_.origins.erase(found);
        return where;
    }

    /// The value of a key that counts, and away with it and its like.
    void take(const settings::Row<OldKeys>& row) {
        std::optional<std::pair<std::string, json>> found;
        for (const std::string& name : variables_of(connector_, row.key)) {
            connector_.service.env.erase(name);
            const auto variable = connector_.env.find(name);
            if (variable == connector_.env.end()) continue;
            note(name, origin_of("env." + name));
            if (!found) {
                const bool says = row.takes_empty || !text::bare(variable->second).empty();
                found.emplace(name, says ? row.from_text(variable->second) : json());
            }
            connector_.env.erase(variable);
        }
        if (const auto value = connector_.settings.find(row.key); value != connector_.settings.end()) {
            note(row.key, origin_of("settings." + row.key));
            const bool text = value->is_string() || value->is_number();
            if (!found)
                found.emplace(row.key, !text ? *value
                                             : row.from_text(value->is_string() ? value->get<std::string>()
                                                                                : value->dump()));
            connector_.settings.erase(value);
        }
        if (!found || found->second.is_null()) return;
        std::optional<std::string> wrong = row.read(keys_, found->second, {});
        if (!wrong && found->second.dump().find("{instance}") != std::string::npos)
            wrong = "holds {instance}: all instances share a store; its `key` tells their jobs apart";
        if (!wrong) return;
        failed_ = true;
        problem(Severity::error, "`" + found->first + "` " + *wrong);
    }

    void note(const std::string& name, const std::string& where) {
        if (given_.empty()) where_ = where;
        given_.push_back(name);
    }

    /// The store of a place, under its own name or one with the connector's in front of it.
    void make(const OldPlace& place) {
        const bool wanted = text::has_item(keys_.deliver, place.name);
        json& stores = loaded_.settings.stores;
        const auto there = stores.find(place.name);
        if (there != stores.end() && !made_.contains(place.name)) {
            if (place.begun) notes_ += "; [stores." + place.name + "] is configured and wins";
            return;
        }
        if (!place.missing.empty()) {
            if (wanted)
                problem(Severity::error, "`deliver` of connector `" + connector_.name + "` names " +
                                             place.name + ", which needs " + place.missing +
                                             "; write [stores." + place.name + "] with `type = \"" +
                                             place.name + "\"` instead");
            else if (place.begun)
                notes_ +=
                    "; what is said of " + place.name + " is not used: " + place.missing + " is missing";
            return;
        }
        std::string name = place.name;
        if (there != stores.end() && *there != place.table) {
            name = connector_.name + "-" + place.name;
            if (stores.contains(name) && stores[name] != place.table) {
                problem(Severity::error, "the old settings of connector `" + connector_.name +
                                             "` would make [stores." + name +
                                             "], which is configured otherwise; write a store of your own");
                return;
            }
        }
        names_[place.name] = name;
        if (!stores.contains(name)) {
            stores[name] = place.table;
            made_.insert(name);
            loaded_.origins["stores." + name] = {Layer::file, where_};
        }
        add_item(advice_, "[stores." + name + "] " + as_toml(place.table), "; ");
    }

    void deliver() {
        if (keys_.deliver.empty()) return;
        if (!connector_.deliver.empty()) {
            notes_ += "; `" + full_key(connector_, "deliver") + "` is set and wins over the old one";
            return;
        }
        for (std::string name : keys_.deliver) {
            if (const auto made = names_.find(name); made != names_.end()) name = made->second;
            connector_.deliver.push_back(name);
        }
        loaded_.origins[full_key(connector_, "deliver")] = {Layer::file, where_};
        add_item(advice_,
                 "[connectors." + connector_.name +
                     "] deliver = " + settings::toml_value(json(connector_.deliver)),
                 "; ");
    }

    Loaded& loaded_;
    ConnectorSettings& connector_;
    std::set<std::string>& made_;
    OldKeys keys_;
    std::vector<std::string> given_;            // keys and variables, as they were found
    std::string where_;                         // the first of them
    std::map<std::string, std::string> names_;  // of places that are stores
    std::string advice_, notes_;
    bool failed_ = false;
};

}  // namespace

void take_comfyui_stores(Loaded& loaded) {
    std::set<std::string> made;
    for (ConnectorSettings& connector : loaded.settings.connectors)
        if (is_comfyui(connector)) OldConnector(loaded, connector, made).run();
}

}  // namespace emprops::config
