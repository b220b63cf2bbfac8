#include "supervisor/process/last_said.h"

#include "ipc/text/people.h"
#include "ipc/text/utf8.h"

namespace emprops::process {

namespace {
constexpr std::size_t said_bytes = 300;
}

void LastSaid::process_started(TimePoint now) {
    for (std::optional<Item>* item : {&print_, &complaint_}) {
        if (*item && (*item)->at < started_at_) item->reset();
    }
    started_at_ = now;
}

std::string LastSaid::why(TimePoint now, const std::string& already, const char* who) const {
    std::string text;
    const auto ago = [&](const Item& item) { return human_duration(between(item.at, now)) + " ago"; };
    if (complaint_)
        text += "; newest complaint about its lines, " + ago(*complaint_) + ": " +
                text::shortened(complaint_->text, said_bytes, "…");
    if (!print_) return text;
    const std::string print = text::shortened(print_->text, said_bytes, "…");
    if (already.find(print) == std::string::npos)
        text += "; " + std::string(who) + " last printed, " + ago(*print_) + ": \"" + print + "\"";
    return text;
}

}  // namespace emprops::process
