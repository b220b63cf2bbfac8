#pragma once
// How rows become the pages that people read. Pure functions, any thread.

#include <string>
#include <string_view>
#include <vector>

#include "config/rows/row.h"

namespace emprops::settings {

/// The head of a Markdown table of settings, with or without a column for variables, and one line of it. `key` is as it
/// shall stand there.
std::string page_head(bool with_variables);
std::string page_line(const RowInfo& row, std::string_view key, const Json& value_by_default);
std::string page_line(const RowInfo& row, std::string_view key, const Json& value_by_default,
                      const std::vector<std::string>& variables);

}  // namespace emprops::settings
