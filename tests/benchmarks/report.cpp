#include "tests/benchmarks/report.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace emprops::bench {
namespace {

void keep_order(std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

nlohmann::json machine() {
    utsname system{};
    ::uname(&system);
    std::string model = "?";
    std::ifstream cpu("/proc/cpuinfo");
    for (std::string line; std::getline(cpu, line);)
        if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos)
            model = line.substr(line.find(": ") + 2);
    double load = 0;
    std::ifstream("/proc/loadavg") >> load;
    return {{"cpu", model},
            {"cores", std::thread::hardware_concurrency()},
            {"kernel", system.release},
            {"compiler", __VERSION__},
            {"load", load}};
}

}  // namespace

double quantile(std::vector<double> figures, double share) {
    if (figures.empty()) return 0;
    std::sort(figures.begin(), figures.end());
    return figures[static_cast<std::size_t>(share * static_cast<double>(figures.size() - 1) + 0.5)];
}

double median(std::vector<double> figures) {
    return quantile(std::move(figures), 0.5);
}

void Report::add(const std::string& row, const std::string& column, double figure) {
    keep_order(rows_, row);
    keep_order(columns_, column);
    figures_[row][column].push_back(figure);
}

double Report::median(const std::string& row, const std::string& column) const {
    const auto found = figures_.find(row);
    if (found == figures_.end() || !found->second.contains(column)) return 0;
    return bench::median(found->second.at(column));
}

void Report::print() const {
    std::size_t width = 0;
    for (const auto& row : rows_)
        width = std::max(width, row.size());
    std::printf("\n%s\n%-*s", title_.c_str(), static_cast<int>(width), "");
    for (const auto& column : columns_)
        std::printf(" | %s", column.c_str());
    std::printf("\n");
    nlohmann::json json = {{"benchmark", title_}, {"machine", machine()}};
    for (const auto& row : rows_) {
        std::printf("%-*s", static_cast<int>(width), row.c_str());
        for (const auto& column : columns_) {
            const bool known = figures_.at(row).contains(column);
            const double figure = median(row, column);
            if (known) json["rows"][row][column] = figure;
            char text[32] = "-";
            if (known)
                std::snprintf(text, sizeof text, "%.*f", figure < 10 ? 3 : figure < 100 ? 1 : 0, figure);
            std::printf(" | %*s", static_cast<int>(column.size()), text);
        }
        std::printf("\n");
    }
    std::printf("%s\n", json.dump().c_str());
    std::fflush(stdout);
}

}  // namespace emprops::bench
