#include "connectors/stores/names/target_names.h"

#include "ipc/text/utf8.h"
#include "ipc/text/values.h"
#include "ipc/web/digest.h"

namespace emprops::stores {
namespace {

constexpr std::size_t longest_ending = 12;
constexpr std::size_t hash_digits = 8;

/// Where ".png" begins in the last part of a path; the size where there is none.
std::size_t ending_at(std::string_view path) {
    const auto slash = path.rfind('/');
    const auto dot = path.rfind('.');
    const bool none = dot == std::string_view::npos || (slash != std::string_view::npos && dot < slash);
    return none ? path.size() : dot;
}

}  // namespace

std::string TargetNames::give(const std::string& owner, const std::string& wanted, const Usable& usable) {
    const auto before = given_.find(owner);
    if (before != given_.end() && (!usable || usable(before->second))) return before->second;
    const std::size_t ending = ending_at(wanted);
    for (int i = 1;; ++i) {
        const std::string number = i == 1 ? "" : "-" + std::to_string(i);
        std::string next = wanted.substr(0, ending) + number + wanted.substr(ending);
        if (!taken_.insert(text::lower(next)).second || (usable && !usable(next))) continue;
        given_[owner] = next;
        return next;
    }
}

std::string fitted_name(std::string_view name, std::size_t limit) {
    if (name.size() <= limit) return std::string(name);
    std::string_view ending = name.substr(ending_at(name));
    if (ending.size() > longest_ending) ending = {};
    const std::string hash = "-" + sha256_hex(name).substr(0, hash_digits);
    return std::string(text::cut(name, limit - hash.size() - ending.size())) + hash + std::string(ending);
}

std::string fitted_path(std::string_view path, std::size_t limit_of_all) {
    std::string out;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        out += fitted_name(path.substr(0, slash));
        if (slash == std::string_view::npos) break;
        out += '/';
        path.remove_prefix(slash + 1);
    }
    return fitted_name(out, limit_of_all);
}

}  // namespace emprops::stores
