#pragma once
// A table in a README that comes out of rows: compared, or written with EMPROPS_WRITE_GENERATED=1.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace emprops::test {

/// Expects `table` between the two comments "`what`: generated" and "`what`: end" of `file`.
inline void expect_generated_table(const std::string& file, const std::string& table,
                                   const std::string& what = "settings") {
    const std::string begin =
        "<!-- " + what + ": generated from the rows; EMPROPS_WRITE_GENERATED=1 writes them -->\n";
    const std::string end = "<!-- " + what + ": end -->\n";
    std::ifstream in(file);
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const std::size_t from = text.find(begin), to = text.find(end);
    ASSERT_TRUE(from != std::string::npos && to != std::string::npos && from < to) << file;
    if (std::getenv("EMPROPS_WRITE_GENERATED") != nullptr) {
        text.replace(from + begin.size(), to - from - begin.size(), table);
        std::ofstream(file) << text;
        return;
    }
    EXPECT_EQ(text.substr(from + begin.size(), to - from - begin.size()), table)
        << "run this test with EMPROPS_WRITE_GENERATED=1";
}

}  // namespace emprops::test
