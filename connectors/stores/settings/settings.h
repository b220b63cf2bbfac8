#pragma once
// What can be set about each kind of store (`[stores.NAME]`). Plain values; what each means is said in its row (rows.cpp).

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "connectors/stores/sign/aws.h"

namespace emprops::stores {

using Ms = std::chrono::milliseconds;

/// What all kinds have.
struct StoreSettings {
    std::string type;
    std::string key = "{job_id}/{filename}";
    std::string public_url;
    bool verify_tls = true;
    std::string ca_file;
    Ms connect_timeout{10'000};
    Ms timeout{60'000};
    bool jobs = false;
    std::string jobs_prefix;       ///< before the keys of what jobs send there themselves
    std::vector<std::string> ctx;  ///< "azure:bucket": what the storage of a job's `ctx` calls it
};

struct DirectorySettings : StoreSettings {
    std::string path;
};

struct HttpPutSettings : StoreSettings {
    std::string url;
    std::map<std::string, std::string> headers;
    std::string headers_file;
};

struct S3Settings : StoreSettings {
    std::string endpoint;
    std::string bucket;
    std::string region = "us-east-1";
    std::string access_key, secret_key, session_token;
    std::string access_key_file, secret_key_file, session_token_file;
    std::string credentials_file;
    std::string profile = "default";
    bool path_style = true;
};

struct AzureSettings : StoreSettings {
    std::string account;
    std::string container;
    std::string account_key, account_key_file;
    std::string sas, sas_file;
    std::string endpoint;
};

struct ReferenceSettings : StoreSettings {
    std::string base_url;
    bool allow_local = false;
};

struct InlineSettings : StoreSettings {};

}  // namespace emprops::stores
