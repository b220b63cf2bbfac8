#pragma once
// Which variables of the worker's own environment its children see. Pure functions, any thread.

#include <span>
#include <string>
#include <string_view>

namespace emprops::config {

/// What any program needs (PATH, HOME, LANG, ...): every child gets it.
bool every_child_gets(std::string_view variable);
/// What programs of this trade usually read (CUDA_*, HF_*, proxies, certificates, Python): whoever sets it for the
/// worker probably means its children, which get it by `env_pass` only.
bool is_for_children(std::string_view variable);
/// Whether a name fits one of the patterns of `env_pass`.
bool fits_pattern(std::string_view variable, std::span<const std::string> patterns);

/// What the worker tells its children of itself in their environment (a worker may be one of them).
bool is_told_to_children(std::string_view variable);

}  // namespace emprops::config
