#include "connectors/stores/settings/rows.h"

namespace emprops::stores {
namespace {

using settings::joined;
using settings::of_base;

SettingRows<StoreSettings> all_rows() {
    using S = StoreSettings;
    return {row(&S::type, "type", "The kind of store.")};
}

/// Of all kinds that give files names of their own.
SettingRows<StoreSettings> kept_rows() {
    using S = StoreSettings;
    return joined<S>(
        {all_rows(),
         {
             row(&S::key, "key",
                 "Name of each file in it, from {job_id}, {job_type}, {connector}, {node}, {kind}, {index}, {filename}, "
                 "{stem}, {ext}, {sha256} and {date}. It tells jobs apart ({job_id} or {sha256}), and the files of a job."),
             row(&S::jobs, "jobs",
                 "Jobs may name it as a destination of theirs (`outputs.to`); `s3`, `azure` and `directory`, which replace "
                 "nothing of others."),
             row(&S::jobs_prefix, "jobs_prefix",
                 "What stands before the keys of files that jobs send there themselves, with the values of `key`: "
                 "`from-jobs/{connector}`."),
             row(&S::ctx, "ctx",
                 "What jobs of EmProps call it in `ctx.storage`, as `provider:bucket`: `azure:renders`. Needs `jobs`."),
             row(&S::public_url, "public_url",
                 "What stands before the key in the URL of a result; empty: see the kind."),
         }});
}

/// Of all kinds that are servers.
SettingRows<StoreSettings> server_rows() {
    using S = StoreSettings;
    return joined<S>({kept_rows(),
                      {
                          row(&S::verify_tls, "verify_tls", "Verify the server's certificate."),
                          row(&S::ca_file, "ca_file",
                              "PEM file of authorities that are trusted, in place of the system's."),
                          row(&S::connect_timeout, "connect_timeout", "For TCP and TLS.").within(0.1, 300),
                          row(&S::timeout, "timeout",
                              "Less than 1 kB a second came or went for so long: the try has failed.")
                              .within(1, 3600),
                      }});
}

}  // namespace

const SettingRows<StoreSettings>& shared_rows() {
    static const SettingRows<StoreSettings> rows = server_rows();
    return rows;
}

const SettingRows<DirectorySettings>& rows_of(const DirectorySettings*) {
    using S = DirectorySettings;
    static const SettingRows<S> rows =
        joined<S>({of_base<S>(kept_rows()),
                   {row(&S::path, "path", "Absolute path of the folder; links inside are not followed.")}});
    return rows;
}

const SettingRows<HttpPutSettings>& rows_of(const HttpPutSettings*) {
    using S = HttpPutSettings;
    static const SettingRows<S> rows = joined<S>(
        {of_base<S>(server_rows()),
         {row(&S::url, "url",
              "Address of each file, with the values of `key` or with {key}; without any, the key is put behind it. "
              "Results have it without its query.")
              .with_token(),
          row(&S::headers, "headers", settings::Headers(), "Sent with each file.").hidden(),
          row(&S::headers_file, "headers_file", "File with more of them, one `Name: value` in each line.")}});
    return rows;
}

const SettingRows<S3Settings>& rows_of(const S3Settings*) {
    using S = S3Settings;
    static const SettingRows<S> rows = joined<S>(
        {of_base<S>(server_rows()),
         {row(&S::endpoint, "endpoint", "`https://s3.eu-central-1.amazonaws.com`, `http://127.0.0.1:9000`."),
          row(&S::bucket, "bucket", "Its bucket."),
          row(&S::region, "region", "Its region; most servers but Amazon's ignore it."),
          row(&S::path_style, "path_style",
              "`endpoint/bucket/key`, which every server knows; false: the bucket is the first part of the host's name."),
          row(&S::access_key, "access_key", "Needed, unless one of the files has it."),
          row(&S::access_key_file, "access_key_file", "File that holds it and nothing else."),
          row(&S::secret_key, "secret_key", "Needed, unless one of the files has it.").hidden(),
          row(&S::secret_key_file, "secret_key_file", "File that holds it and nothing else."),
          row(&S::session_token, "session_token", "For temporary credentials.").hidden(),
          row(&S::session_token_file, "session_token_file", "File that holds it and nothing else."),
          row(&S::credentials_file, "credentials_file",
              "File in the form of AWS (`[default]`, `aws_access_key_id = ...`), in place of all these."),
          row(&S::profile, "profile", "Its section.")}});
    return rows;
}

const SettingRows<AzureSettings>& rows_of(const AzureSettings*) {
    using S = AzureSettings;
    static const SettingRows<S> rows = joined<S>(
        {of_base<S>(server_rows()),
         {row(&S::account, "account", "The storage account."),
          row(&S::container, "container", "Its container."),
          row(&S::account_key, "account_key", "A key of the account (SharedKey).").hidden(),
          row(&S::account_key_file, "account_key_file", "File that holds it and nothing else."),
          row(&S::sas, "sas", "A shared access signature, in place of the key.").hidden(),
          row(&S::sas_file, "sas_file", "File that holds it and nothing else."),
          row(&S::endpoint, "endpoint",
              "Where the account is, if not at `https://ACCOUNT.blob.core.windows.net`: `http://127.0.0.1:10000/ACCOUNT`.")}});
    return rows;
}

const SettingRows<ReferenceSettings>& rows_of(const ReferenceSettings*) {
    using S = ReferenceSettings;
    static const SettingRows<S> rows = joined<S>(
        {of_base<S>(all_rows()),
         {row(&S::base_url, "base_url", "Scheme, host and port under which clients reach the service."),
          row(&S::allow_local, "allow_local",
              "Without it: clients are on this machine, and its own address will do.")}});
    return rows;
}

const SettingRows<InlineSettings>& rows_of(const InlineSettings*) {
    using S = InlineSettings;
    static const SettingRows<S> rows = of_base<S>(all_rows());
    return rows;
}

}  // namespace emprops::stores
