#pragma once
// The courier as a process: connectors/courier, run by the fleet as any connector is, but unknown to the Hub.
// Pure, but for the variables of proxies and certificates, which it gets from our environment.

#include <filesystem>
#include <string>
#include <vector>

#include "config/settings.h"
#include "ipc/messages.h"
#include "supervisor/files/delivery.h"

namespace emprops::files {

config::ConnectorSettings courier_settings(const config::Settings& settings,
                                           const std::filesystem::path& spool);

/// What connectors are told: the stores that there are, those that jobs may name, and where files go by themselves.
ipc::FilesOffer offer_of(const config::Settings& settings);

/// Where a file goes: to the place that its job has named for it; then as it says itself, or its connector's
/// configuration, or [files]. A name that is no store is passed over, with a sentence in FileOnWay::passed_over; where
/// there is no other, the file has failed. A store for jobs that the operator has not configured here may be the job's
/// choice, passed on by its connector: it is one of FileOnWay::by_job.
void choose_stores(FileOnWay& file, const std::string& connector, const config::Settings& settings);

/// In which form a job's files are wanted: as the job says, then its connector's configuration, then [files].
ipc::ConvertWish wanted_form(const ipc::ConvertWish& of_job, const std::string& connector,
                             const config::Settings& settings);

}  // namespace emprops::files
