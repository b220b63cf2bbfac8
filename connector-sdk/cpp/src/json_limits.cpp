#include "connector-sdk/cpp/src/json_limits.h"

#include <algorithm>

#include "ipc/envelope.h"
#include "ipc/messages.h"
#include "ipc/text/utf8.h"

namespace emprops::sdk {

bool depth_within(const Json& value, int levels) {
    if (!value.is_structured()) return true;
    if (levels == 0) return false;
    return std::all_of(value.begin(), value.end(),
                       [levels](const Json& member) { return depth_within(member, levels - 1); });
}

Json object_or_null(const Json& value) {
    if (!value.is_object() || !depth_within(value, ipc::max_value_depth - 1)) return nullptr;
    return value;
}

const char* kind_of(const Json& value) {
    switch (value.type()) {
        case Json::value_t::null:
            return "null";
        case Json::value_t::object:
            return "an object";
        case Json::value_t::array:
            return "a list";
        case Json::value_t::string:
            return "a text";
        case Json::value_t::boolean:
            return "true or false";
        default:
            return "a number";
    }
}

JobFailure too_deep() {
    return {ipc::code::protocol_error,
            "the result nests deeper than " + std::to_string(ipc::max_value_depth) +
                " levels and cannot be delivered",
            false};
}

std::string shortened(const std::string& text, std::size_t bytes) {
    if (text.size() <= bytes) return text;
    return text::shortened(text, bytes) + " (" + std::to_string(text.size()) + " bytes in all)";
}

}  // namespace emprops::sdk
