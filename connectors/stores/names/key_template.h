#pragma once
// The name under which a store has a file, from a template. Pure.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace emprops::stores {

/// For templates: {"job_id", "..."}.
using Values = std::vector<std::pair<std::string, std::string>>;

/// Empty: there is none.
std::string value_of(const Values& values, std::string_view name);
/// Changes the one that is there; where none is, nothing.
void set_value(Values& values, std::string_view name, const std::string& value);

/// Fills {job_id}, {filename} and the like, as `values` has them. Values are made safe for paths: no separators, no "..",
/// no control characters.
std::string fill_template(std::string_view text, const Values& values);

/// The values of the settings of stores: job_id, job_type, connector, node, kind, index, filename, stem, ext, sha256, date.
const std::vector<std::string>& key_words();
/// What is wrong with the words of a template, without its subject: an unknown or unclosed {word}. `more`: further ones
/// that are known. Those that are in it go to `found`.
std::optional<std::string> wrong_words(std::string_view text, const std::vector<std::string>& more = {},
                                       std::vector<std::string>* found = nullptr);
/// What is wrong with a template, without its subject: an unknown or unclosed {word}, or files that would meet under one
/// name: those of two jobs (neither {job_id} nor {sha256}) or of one ({filename}, {index}, {sha256}, or {stem} and {ext}).
/// `more`: words that stand for others, and satisfy both.
std::optional<std::string> wrong_template(std::string_view text, const std::vector<std::string>& more = {});
/// The same for the parts of a path: none is empty, "." or "..".
std::optional<std::string> wrong_path(std::string_view text);

/// {filename}, {stem} and {ext} of a file's name.
Values name_values(std::string_view filename);

/// The key of a file in a store that replaces what it has under a key: two jobs must not meet there because their ids
/// lost a "/", and the key is short enough (target_names.h).
std::string key_of(std::string_view key_template, Values values);

}  // namespace emprops::stores
