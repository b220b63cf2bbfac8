#pragma once
// A disk for the journal that keeps two states: what the process sees, and what a power cut leaves. Writes go to it in
// sectors; those that were not synced may be there or not after a cut, each by itself.

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/jobs/journal/disk.h"

namespace emprops::jobs::test {

class SimulatedDisk : public journal::Disk {
    static constexpr std::size_t sector_bytes = 512;

    struct Inode {
        std::string seen, durable;
        std::set<std::size_t> unsynced;  // sectors
    };
    struct Store {
        std::map<std::string, std::shared_ptr<Inode>> seen, durable;  // by name
    };

    class OpenFile : public journal::File {
      public:
        OpenFile(SimulatedDisk& disk, std::string name, std::shared_ptr<Inode> inode)
            : disk_(disk), name_(std::move(name)), inode_(std::move(inode)) {}
        Result<> write(std::uint64_t offset, std::string_view bytes) override {
            if (disk_.refuse_writes) return Error{"disk_full", "no space"};
            std::string& seen = inode_->seen;
            if (seen.size() < offset + bytes.size()) seen.resize(offset + bytes.size());
            seen.replace(offset, bytes.size(), bytes);
            for (std::size_t at = offset / sector_bytes; at * sector_bytes < offset + bytes.size(); ++at)
                inode_->unsynced.insert(at);
            disk_.after_step();
            return Ok{};
        }
        Result<> sync() override {
            ++disk_.syncs;
            if (disk_.syncs == disk_.failing_sync) {
                // As Linux does: what could not be written counts as clean from now on.
                inode_->unsynced.clear();
                return Error{"disk", "cannot sync " + name_};
            }
            inode_->durable.resize(std::max(inode_->durable.size(), inode_->seen.size()));
            for (const std::size_t sector : inode_->unsynced)
                settle(*inode_, sector, inode_->durable);
            inode_->unsynced.clear();
            disk_.after_step();
            return Ok{};
        }
        bool is_in_place() const override {
            const auto named = disk_.store_.seen.find(name_);
            return named != disk_.store_.seen.end() && named->second == inode_;
        }
        std::optional<std::string> read(std::uint64_t offset, std::size_t size) const override {
            return inode_->seen.substr(std::min<std::size_t>(offset, inode_->seen.size()), size);
        }

      private:
        SimulatedDisk& disk_;
        const std::string name_;
        const std::shared_ptr<Inode> inode_;
    };

  public:
    std::function<void()> after_step = [] {};  ///< a power cut could come here
    int syncs = 0, failing_sync = -1;          ///< the one with this number fails
    bool refuse_writes = false, refuse_new = false;

    Result<std::shared_ptr<journal::File>> create(const std::string& name, std::uint64_t bytes) override {
        if (refuse_new) return Error{"disk_full", "no space"};
        auto inode = std::make_shared<Inode>();
        inode->seen = inode->durable = std::string(bytes, '\0');
        store_.seen[name] = store_.durable[name] = inode;
        after_step();
        return std::shared_ptr<journal::File>(std::make_shared<OpenFile>(*this, name, inode));
    }
    Result<std::shared_ptr<journal::File>> store(const std::string& name, std::string_view content) override {
        if (refuse_new) return Error{"disk_full", "no space"};
        auto inode = std::make_shared<Inode>();
        store_.seen[name] = inode;
        auto file = std::make_shared<OpenFile>(*this, name, inode);
        if (const auto written = file->write(0, content); !written.ok()) return written.error();
        return std::shared_ptr<journal::File>(file);
    }
    Result<> sync_names() override {
        store_.durable = store_.seen;
        after_step();
        return Ok{};
    }
    Result<> remove(const std::string& name) override {
        store_.seen.erase(name);
        after_step();
        return Ok{};
    }
    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& [name, inode] : store_.seen)
            names.push_back(name);
        return names;
    }
    Result<std::vector<std::string>> list() const override { return names(); }
    std::shared_ptr<journal::File> open(const std::string& name) const override {
        const auto found = store_.seen.find(name);
        if (found == store_.seen.end()) return nullptr;
        return std::make_shared<OpenFile>(const_cast<SimulatedDisk&>(*this), name, found->second);
    }
    std::optional<std::string> read(const std::string& name) const override {
        const auto found = store_.seen.find(name);
        if (found == store_.seen.end()) return {};
        return found->second->seen;
    }

    /// The disk after a power cut: `survives` is asked for each thing that was not synced.
    std::unique_ptr<SimulatedDisk> cut(const std::function<bool()>& survives) const {
        auto after = std::make_unique<SimulatedDisk>();
        std::map<const Inode*, std::shared_ptr<Inode>> copies;
        const auto copy = [&](const std::shared_ptr<Inode>& inode) {
            auto& place = copies[inode.get()];
            if (place) return place;
            place = std::make_shared<Inode>();
            std::string& left = place->durable = inode->durable;
            for (const std::size_t sector : inode->unsynced) {
                if (!survives()) continue;
                left.resize(std::max(left.size(), std::min(inode->seen.size(), (sector + 1) * sector_bytes)));
                settle(*inode, sector, left);
            }
            place->seen = left;
            return place;
        };
        for (const auto& [name, inode] : store_.durable) {
            const bool removed = !store_.seen.contains(name);
            if (!removed || !survives()) after->store_.seen[name] = copy(inode);
        }
        for (const auto& [name, inode] : store_.seen) {
            if (!store_.durable.contains(name) && survives()) after->store_.seen[name] = copy(inode);
        }
        after->store_.durable = after->store_.seen;
        return after;
    }
    /// What a kill of the process leaves.
    std::unique_ptr<SimulatedDisk> killed() const {
        return cut([] { return true; });
    }
    std::string& content(const std::string& name) { return store_.seen.at(name)->seen; }
    void lose(const std::string& name) { store_.seen.erase(name); }

  private:
    static void settle(const Inode& inode, std::size_t sector, std::string& into) {
        const std::size_t at = sector * sector_bytes;
        const std::size_t size = std::min(sector_bytes, inode.seen.size() - at);
        into.replace(at, std::min(size, into.size() - at), inode.seen.substr(at, size));
    }

    Store store_;
};

}  // namespace emprops::jobs::test
