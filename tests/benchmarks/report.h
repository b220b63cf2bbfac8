#pragma once
// The figures of one benchmark: rows and columns for people, and the same as JSON (one object on the last line of stdout).
// Each figure is the median of its rounds. One thread.

#include <map>
#include <string>
#include <vector>

namespace emprops::bench {

class Report {
  public:
    /// `title` says what is measured and with what parameters.
    explicit Report(std::string title) : title_(std::move(title)) {}
    /// One round's figure. `column` has its unit: "CPU per job, ms".
    void add(const std::string& row, const std::string& column, double figure);
    double median(const std::string& row, const std::string& column) const;
    /// Prints the table, then the JSON, with the machine.
    void print() const;

  private:
    std::string title_;
    std::vector<std::string> rows_, columns_;
    std::map<std::string, std::map<std::string, std::vector<double>>> figures_;
};

double median(std::vector<double> figures);
/// The figure below which `share` of them are.
double quantile(std::vector<double> figures, double share);

}  // namespace emprops::bench
