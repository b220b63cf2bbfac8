#include "supervisor/jobs/types.h"

#include "supervisor/jobs/journal/line.h"

namespace emprops::jobs {

PayloadMark mark_of(const ipc::RawJson& payload) {
    return {payload.text().size(), journal::checksum(payload.text())};
}

}  // namespace emprops::jobs
