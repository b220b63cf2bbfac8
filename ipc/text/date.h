#pragma once
// The calendar's day, for names that people read. Any thread.

#include <string>

namespace emprops {

/// "2026-11-30", in UTC.
std::string date_today();

}  // namespace emprops
