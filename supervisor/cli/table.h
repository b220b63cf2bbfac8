#pragma once
// Tables for a terminal. Pure.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace emprops::cli {

class Table {
  public:
    explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    bool empty() const { return rows_.size() == 1; }

    /// Columns aligned, two spaces between them; cells are made safe for a terminal. Where lines would exceed
    /// `width`, the last column is cut (with "…") down to 10 characters, then the widest ones down to 8 each;
    /// narrower than that it does not get. Width 0: no limit.
    std::string print(std::size_t width) const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

/// Characters (code points) of UTF-8 text, which is what a column is made of.
std::size_t display_width(const std::string& text);
/// At most `width` characters of `text`, the last one "…" where something was cut.
std::string cut(const std::string& text, std::size_t width);
/// Columns of the terminal on stdout; 0 if stdout is no terminal.
std::size_t terminal_width();

}  // namespace emprops::cli
