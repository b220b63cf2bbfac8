#pragma once
// A place that a job names for files of its own: a value, its text in the ledger, and which files it is for. Pure.

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/messages.h"
#include "ipc/result.h"

namespace emprops::files {

/// Which files of a result are meant; what is not set fits each.
struct FileMatch {
    std::optional<std::string> node, kind;
    std::optional<std::string> name;   ///< a pattern (ipc/text/glob.h)
    std::optional<std::size_t> index;  ///< which of those that fit the rest, in the result's order

    bool fits(const ipc::ResultFile& file) const;  ///< all but the index
    bool operator==(const FileMatch&) const = default;
};

/// Either `put` or `store` is set.
struct Destination {
    std::string label;  ///< for people: "outputs.to[1]"
    FileMatch match;

    std::string put;  ///< URL, whose query is a secret
    std::map<std::string, std::string> headers;

    std::string store;
    std::optional<std::string> prefix;  ///< without "/" at its ends

    // of jobs of EmProps (ctx.h)
    bool is_ctx = false;     ///< the result gets the members that their clients look for
    std::string filename;    ///< that the file gets, but for its ending; empty: it keeps its own
    std::string public_url;  ///< in place of the store's

    bool is_put() const { return !put.empty(); }
};

/// `text` without "/" at its ends and empty parts; nothing in it may lead out of its folder or mean something to a key's
/// template. An error's message begins with `member`; code invalid_payload.
Result<std::string> clean_prefix(std::string_view text, const std::string& member);

/// For the ledger and for the courier: what is still needed when it is known which file goes there.
std::string destination_text(const Destination& to);
/// Of what destination_text() made. nullopt: it is none.
std::optional<Destination> read_destination(const ipc::Json& from);

/// Which of `files` goes to which of `all`: nothing, or a place in `all`, for each. A `put` takes exactly one file, and
/// whoever asks for one in particular is served before those who take any; a `store` takes what fits and is left.
/// `unmet`: the `put`s that find no file.
struct Shares {
    std::vector<std::optional<std::size_t>> of_files;
    std::vector<std::size_t> unmet;
};
/// The caller has asked is_too_much() before.
Shares share_out(const std::vector<Destination>& all, const std::vector<const ipc::ResultFile*>& files);
/// Patterns and names are strangers' texts, and the loop compares them: false for all that a job may need in earnest.
bool is_too_much(const std::vector<Destination>& all, const std::vector<const ipc::ResultFile*>& files);
/// For people: what the unmet ones asked for, and what files there are.
std::string unmet_text(const std::vector<Destination>& all, const std::vector<std::size_t>& unmet,
                       const std::vector<const ipc::ResultFile*>& files);

/// "node 9, kind images", for people; "any file" for a match without members.
std::string to_text(const FileMatch& match);

}  // namespace emprops::files
