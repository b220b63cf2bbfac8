#include "supervisor/jobs/journal/task.h"

#include <new>

#include "ipc/overload.h"
#include "supervisor/base/memory.h"
#include "supervisor/jobs/journal/line.h"

namespace emprops::jobs::journal {
namespace {

Result<> sync(Disk& disk, const SyncFiles& task) {
    for (const auto& file : task.files) {
        if (!file->is_in_place())
            return Error{"disk", "a file of the job ledger was removed from its folder"};
        if (auto synced = file->sync(); !synced.ok()) return synced;
    }
    return task.names ? disk.sync_names() : Result<>(Ok{});
}

/// Without memory a task fails as at a disk that refuses; it is tried again.
template <class Value, class Work>
Result<Value> guarded(Work work) {
    try {
        return work();
    } catch (const std::bad_alloc&) {
        return Error{"no_memory", std::string("for the job ledger ") + no_memory};
    }
}

}  // namespace

TaskDone carry_out(Disk& disk, const Task& task) {
    return std::visit(Overload{
                          [&](const CreateSegment& t) -> TaskDone {
                              return SegmentCreated{t.name, guarded<std::shared_ptr<File>>([&] {
                                                        return disk.create(t.name, t.bytes);
                                                    })};
                          },
                          [&](const StoreFile& t) -> TaskDone {
                              return FileStored{t.number, t.name, guarded<std::shared_ptr<File>>([&] {
                                                    return disk.store(t.name, *t.content);
                                                }),
                                                checksum(*t.content)};
                          },
                          [&](const SyncFiles& t) -> TaskDone {
                              return FilesSynced{guarded<Ok>([&] { return sync(disk, t); })};
                          },
                          [&](const RemoveFiles& t) -> TaskDone {
                              for (const std::string& name : t.names) {
                                  // One that stays is tried again at the next start: nothing names it any more.
                                  (void)disk.remove(name);
                              }
                              return FilesRemoved{};
                          },
                      },
                      task);
}

}  // namespace emprops::jobs::journal
