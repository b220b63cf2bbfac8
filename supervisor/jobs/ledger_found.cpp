#include "supervisor/jobs/ledger_found.h"

#include <algorithm>
#include <set>
#include <utility>

#include "supervisor/jobs/journal/line.h"

namespace emprops::jobs {
namespace {

/// Reads the content that lies beside the journal.
bool read_data(const journal::Disk& disk, LedgerRecord& record) {
    auto content = disk.read(record.data->name);
    if (!content || content->size() != record.data->bytes ||
        journal::checksum(*content) != record.data->checksum)
        return false;
    *record.content() = std::move(*content);
    return true;
}

class Choice {
  public:
    Choice(const journal::Disk& disk, const std::filesystem::path& folder) : disk_(disk), folder_(folder) {}

    /// False: none of the number's records can be used.
    bool choose(std::uint64_t number, std::vector<journal::Found>& records) {
        for (const journal::Found& each : records) {
            auto record = decode_record(number, each.members);
            std::string why = record.ok() ? "" : record.error().message;
            if (record.ok() && record->data && !read_data(disk_, *record))
                why = "its file " + path(record->data->name) + " is missing or damaged";
            if (why.empty()) {
                if (record->data) result.data[number][record->data->name] = {nullptr, record->data->bytes};
                result.records[number] = std::move(*record);
                records = {each};
                return true;
            }
            result.unusable.push_back("a record of the job ledger, in " +
                                      path(journal::segment_name(each.segment)) + ", cannot be used: " + why);
        }
        return false;
    }

    UsableRecords result;

  private:
    std::string path(const std::string& name) const { return (folder_ / name).string(); }

    const journal::Disk& disk_;
    const std::filesystem::path& folder_;
};

class Finding {
  public:
    Finding(LedgerFolder& folder, std::size_t max_bad) : folder_(folder), max_bad_(max_bad) {}

    Result<LedgerFound> run() {
        auto journal = journal::recover(folder_);
        if (!journal.ok()) return journal.error();
        found_.journal = std::move(*journal);
        for (const std::string& name : found_.journal.unreadable)
            warn("the job ledger's file " + path(name) + " cannot be read and is left alone");
        for (const journal::Broken& broken : found_.journal.broken)
            set_aside(broken);
        UsableRecords usable = choose_records(folder_, found_.journal, folder_.path());
        for (std::string& text : usable.unusable)
            warn(std::move(text));
        found_.records = std::move(usable.records);
        found_.data = std::move(usable.data);
        find_leftovers();
        const auto names = folder_.list();
        if (!names.ok()) return names.error();
        for (const std::string& name : *names) {
            if (name.ends_with(".json")) read_old(name);
        }
        return std::move(found_);
    }

  private:
    std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
    void warn(std::string text) { found_.warnings.push_back(std::move(text)); }

    void set_aside(const journal::Broken& broken) {
        ++found_.bad;
        std::string name = broken.where;
        std::replace(name.begin(), name.end(), ' ', '-');
        warn("the job ledger's file " + path(broken.where) + " is damaged; " +
             std::to_string(broken.bytes.size()) + " bytes of it lie in " +
             folder_.set_aside(name, broken.bytes, max_bad_) + " now, and their job is not reported");
    }

    void find_leftovers() {
        std::set<std::string> named;
        for (const auto& [number, files] : found_.data) {
            for (const auto& [name, data] : files)
                named.insert(name);
        }
        for (const std::string& name : found_.journal.data) {
            if (!named.contains(name)) found_.leftovers.push_back(name);
        }
    }

    void read_old(const std::string& name) {
        const std::string file = "the job ledger's file " + path(name);
        const auto content = folder_.read(name);
        if (!content) return warn(file + " cannot be read and is left alone");
        auto record = decode_file(*content);
        if (!record.ok() && record.error().code == "version") {
            if (name != marker_file) warn(file + " is left alone: " + record.error().message);
            return;
        }
        if (!record.ok()) {
            ++found_.bad;
            const std::string now = folder_.set_aside(name, *content, max_bad_);
            (void)folder_.remove(name);
            return warn(file + " cannot be used (" + record.error().message + "); it lies in " + now +
                        " now, and its job is not reported");
        }
        const std::uint64_t number = record->number;
        found_.old_files[number] = name;
        if (!found_.records.contains(number)) found_.records[number] = std::move(*record);
    }

    LedgerFolder& folder_;
    const std::size_t max_bad_;
    LedgerFound found_;
};

}  // namespace

UsableRecords choose_records(const journal::Disk& disk, journal::Recovered& found,
                             const std::filesystem::path& folder) {
    Choice choice(disk, folder);
    for (auto each = found.records.begin(); each != found.records.end();)
        each = choice.choose(each->first, each->second) ? std::next(each) : found.records.erase(each);
    return std::move(choice.result);
}

Result<LedgerFound> find_ledger(LedgerFolder& folder, std::size_t max_bad) {
    return Finding(folder, max_bad).run();
}

}  // namespace emprops::jobs
