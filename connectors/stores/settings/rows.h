#pragma once
// The rows of each kind of store: keys, sentences, ranges. Built once, then only read, from any thread.

#include "connectors/stores/settings/settings.h"
#include "emprops/settings.h"

namespace emprops::stores {

/// What the kinds have in common; TLS and times are for servers only.
const SettingRows<StoreSettings>& shared_rows();
const SettingRows<DirectorySettings>& rows_of(const DirectorySettings*);
const SettingRows<HttpPutSettings>& rows_of(const HttpPutSettings*);
const SettingRows<S3Settings>& rows_of(const S3Settings*);
const SettingRows<AzureSettings>& rows_of(const AzureSettings*);
const SettingRows<ReferenceSettings>& rows_of(const ReferenceSettings*);
const SettingRows<InlineSettings>& rows_of(const InlineSettings*);

}  // namespace emprops::stores
