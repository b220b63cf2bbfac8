#include "connectors/comfyui/text/mark.h"

#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/text/utf8.h"

namespace emprops::comfyui {

Json mark_json(const OwnMark& own, int submission) {
    return {{"space", own.space},   {"connector", own.connector}, {"instance", own.instance},
            {"job_id", own.job_id}, {"payload", own.payload},     {"submission", submission}};
}

bool is_ours(const Json& mark, const std::string& space) {
    return mark.is_object() && mark.value("space", Json()) == Json(space);
}

std::string owner_text(const std::string& prompt_id, const Json& mark) {
    if (!mark.is_object()) return "somebody else's prompt " + std::string(text::cut(prompt_id, 100));
    const auto text = [&](const char* key) {
        const Json value = mark.value(key, Json());
        return value.is_string() ? std::string(text::cut(value.get<std::string>(), 100)) : std::string("?");
    };
    return "the prompt " + std::string(text::cut(prompt_id, 100)) + " of another worker (job " +
           text("job_id") + ", connector " + text("connector") + ")";
}

std::optional<int> submission_of(const Json& mark, const OwnMark& own) {
    if (own.space.empty() || !is_ours(mark, own.space)) return {};
    if (mark.value("job_id", Json()) != Json(own.job_id) ||
        mark.value("payload", Json()) != Json(own.payload)) {
        return {};
    }
    const Json number = mark.value("submission", Json());
    if (!number.is_number_integer() || number < 0 || number > 1'000'000) return {};
    return number.get<int>();
}

}  // namespace emprops::comfyui
