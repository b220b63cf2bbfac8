#pragma once
// Answers of Redis as tests write them down.

#include <string>
#include <vector>

#include "supervisor/redis/wire/reply.h"

namespace emprops::redis {

inline Reply text(const std::string& value) {
    return {Reply::Kind::text, 0, value};
}
inline Reply number(long long value) {
    return {Reply::Kind::number, value};
}
inline Reply list(const std::vector<std::string>& values) {
    Reply out{Reply::Kind::list};
    for (const std::string& each : values)
        out.list.push_back(text(each));
    return out;
}

}  // namespace emprops::redis
