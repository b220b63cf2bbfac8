#include "config/rows/page.h"

#include "config/rows/toml_text.h"
#include "ipc/text/people.h"

namespace emprops::settings {

std::string page_head(bool with_variables) {
    return with_variables ? "| key | value | default | meaning | variables |\n|---|---|---|---|---|\n"
                          : "| key | value | default | meaning |\n|---|---|---|---|\n";
}

std::string page_line(const RowInfo& row, std::string_view key, const Json& value_by_default) {
    std::string value = toml_value(value_by_default);
    value = value.empty() ? "unset" : value == "\"\"" ? "empty" : "`" + value + "`";
    return "| `" + std::string(key) + "` | " + row.noun() + " | " + value + " | " + row.sentence + " |\n";
}

std::string page_line(const RowInfo& row, std::string_view key, const Json& value_by_default,
                      const std::vector<std::string>& variables) {
    std::string names;
    for (const std::string& name : variables)
        add_item(names, "`" + name + "`");
    std::string line = page_line(row, key, value_by_default);
    line.replace(line.size() - 1, 1, " " + names + " |\n");
    return line;
}

}  // namespace emprops::settings
