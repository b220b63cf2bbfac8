#include "connectors/courier/turns.h"

#include <algorithm>

namespace emprops::courier {

bool Turns::is_due(const std::string& job_id) const {
    if (at_work_.size() >= most_) return false;
    const std::size_t mine = at_work_.count(job_id);
    return std::all_of(waiting_.begin(), waiting_.end(),
                       [&](const std::string& each) { return at_work_.count(each) >= mine; });
}

void Turns::begin(const std::string& job_id) {
    leave(job_id);
    at_work_.insert(job_id);
}

}  // namespace emprops::courier
