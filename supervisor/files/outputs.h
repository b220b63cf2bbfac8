#pragma once
// What a job itself says about its files: the member `outputs` of its payload, as far as it concerns the worker (`to`,
// `convert`; every other member is its connector's). Read and checked before the connector is given the job: what cannot be right, or
// cannot be met here, fails it with `invalid_payload`. Pure.

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "ipc/convert_wish.h"
#include "ipc/result.h"
#include "ipc/web/host_list.h"
#include "supervisor/files/destination.h"

namespace emprops::files {

/// Where the operator lets jobs send their files, and what they may have done with them.
struct Permits {
    web::HostList put_hosts;                 ///< stores.put_allow
    std::set<std::string> stores;            ///< those with `jobs = true`
    std::map<std::string, std::string> ctx;  ///< of those: "azure:renders" -> its name here (ctx.h)
    std::vector<std::string> commands{};     ///< of [files.commands]
};
/// Of checked settings; what is wrong in them permits nothing.
Permits permits_of(const config::Settings& settings);

struct Outputs {
    std::vector<Destination> to;  ///< in the order of the payload
    ipc::ConvertWish convert{};
    bool empty() const { return to.empty() && convert == ipc::ConvertWish{}; }
};

/// Payloads have up to 100 MB, and most of them are not read for what they do not hold. True: the text may name a member
/// `key`, of small letters, however it is written.
bool may_have(std::string_view payload, const std::string& key);

/// `payload`: JSON text that a scan has found good. An error's code is invalid_payload, and its message names the member:
/// "outputs.to[1].match.index is -1 ...". It never repeats the query of a URL.
Result<Outputs> read_outputs(std::string_view payload, const Permits& permits);

}  // namespace emprops::files
