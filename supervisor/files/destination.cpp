#include "supervisor/files/destination.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "ipc/json_text.h"
#include "ipc/object_text.h"
#include "ipc/text/glob.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"

namespace emprops::files {
namespace {

constexpr std::size_t most_told = 20, longest_prefix = 512;
/// Bytes of patterns times bytes of names; a tenth of a second at worst. 64 patterns of 40 bytes for 1000 files of 30 have
/// 77 million.
constexpr std::uint64_t most_compared = 100'000'000;

/// The files that a destination could take.
std::vector<std::size_t> candidates(const FileMatch& match,
                                    const std::vector<const ipc::ResultFile*>& files) {
    std::vector<std::size_t> fit;
    for (std::size_t i = 0; i < files.size(); ++i)
        if (match.fits(*files[i])) fit.push_back(i);
    if (!match.index) return fit;
    if (*match.index >= fit.size()) return {};
    return {fit[*match.index]};
}

}  // namespace

bool FileMatch::fits(const ipc::ResultFile& file) const {
    return (!node || *node == file.node) && (!kind || *kind == file.kind) &&
           (!name || text::fits_glob(file.name, *name));
}

Result<std::string> clean_prefix(std::string_view text, const std::string& member) {
    const auto bad = [&](const std::string& why) {
        return Error{ipc::code::invalid_payload, member + " " + why};
    };
    if (text.size() > longest_prefix)
        return bad("is longer than " + std::to_string(longest_prefix) + " bytes");
    if (text::has_control_character(text) || text.find_first_of("\\{}") != std::string_view::npos)
        return bad("holds a control character, a backslash or a brace");
    std::string clean;
    while (!text.empty()) {
        const std::size_t slash = std::min(text.find('/'), text.size());
        const std::string_view part = text.substr(0, slash);
        text.remove_prefix(std::min(slash + 1, text.size()));
        if (part.empty()) continue;
        if (part == "." || part == "..") return bad("must not have a part \"" + std::string(part) + "\"");
        clean += (clean.empty() ? "" : "/") + std::string(part);
    }
    return clean;
}

std::string destination_text(const Destination& to) {
    ipc::ObjectText out;
    out.add("name", to.label);
    if (to.is_put()) {
        out.add("put", to.put).add("headers", ipc::Json(to.headers));
    } else {
        out.add("store", to.store);
        if (to.prefix) out.add("prefix", *to.prefix);
        out.add_if(to.is_ctx, "ctx", true).add_if(!to.public_url.empty(), "public_url", to.public_url);
    }
    return out.end();
}

std::optional<Destination> read_destination(const ipc::Json& from) {
    Destination to;
    if (!from.is_object()) return {};
    to.label = ipc::text_or_empty(from, "name");
    to.put = ipc::text_or_empty(from, "put");
    to.store = ipc::text_or_empty(from, "store");
    if (to.label.empty() || to.put.empty() == to.store.empty()) return {};
    to.is_ctx = from.value("ctx", ipc::Json()) == true;
    to.public_url = ipc::text_or_empty(from, "public_url");
    if (from.contains("prefix")) to.prefix = ipc::text_or_empty(from, "prefix");
    if (const auto headers = from.find("headers"); headers != from.end() && headers->is_object())
        for (const auto& [name, value] : headers->items())
            if (value.is_string()) to.headers[name] = value.get<std::string>();
    return to;
}

bool is_too_much(const std::vector<Destination>& all, const std::vector<const ipc::ResultFile*>& files) {
    std::uint64_t patterns = 0, names = 0;
    for (const Destination& each : all)
        patterns += each.match.name ? each.match.name->size() : 0;
    for (const ipc::ResultFile* each : files)
        names += each->name.size();
    return patterns * names > most_compared;
}

Shares share_out(const std::vector<Destination>& all, const std::vector<const ipc::ResultFile*>& files) {
    Shares shares;
    shares.of_files.resize(files.size());
    // One that asks for any file makes room for one that asks for the file that it has (augmenting paths).
    std::vector<std::vector<std::size_t>> fit;
    for (const Destination& each : all)
        fit.push_back(candidates(each.match, files));  // patterns and names are the job's: once
    std::vector<bool> tried;
    const std::function<bool(std::size_t)> seat = [&](std::size_t which) {
        for (const bool free_only : {true, false}) {
            for (const std::size_t file : fit[which]) {
                auto& holder = shares.of_files[file];
                if (tried[file] || (free_only && holder)) continue;
                tried[file] = true;
                if (holder && !seat(*holder)) continue;
                holder = which;
                return true;
            }
        }
        return false;
    };
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!all[i].is_put()) continue;
        tried.assign(files.size(), false);
        if (!seat(i)) shares.unmet.push_back(i);
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].is_put()) continue;
        for (const std::size_t file : fit[i])
            if (!shares.of_files[file]) shares.of_files[file] = i;
    }
    return shares;
}

std::string unmet_text(const std::vector<Destination>& all, const std::vector<std::size_t>& unmet,
                       const std::vector<const ipc::ResultFile*>& files) {
    std::string asked, there;
    for (const std::size_t each : unmet)
        add_item(asked, all[each].label + " (" + to_text(all[each].match) + ")");
    for (std::size_t i = 0; i < files.size() && i < most_told; ++i) {
        FileMatch what;
        if (!files[i]->node.empty()) what.node = files[i]->node;
        if (!files[i]->kind.empty()) what.kind = files[i]->kind;
        add_item(there, "\"" + text::shortened(files[i]->name, 100) + "\"" +
                            (what == FileMatch() ? "" : " (" + to_text(what) + ")"));
    }
    if (files.size() > most_told) add_item(there, std::to_string(files.size() - most_told) + " more");
    if (files.empty()) return "no file is there for " + asked + "; the job has made none";
    return "no file is there for " + asked + "; the job's files, each of which goes to one URL: " + there;
}

std::string to_text(const FileMatch& match) {
    std::string text;
    const auto say = [&](const char* what, const std::optional<std::string>& value) {
        if (value) add_item(text, std::string(what) + " \"" + *value + "\"");
    };
    say("node", match.node);
    say("kind", match.kind);
    say("name", match.name);
    if (match.index) add_item(text, "index " + std::to_string(*match.index));
    return text.empty() ? "any file" : text;
}

}  // namespace emprops::files
