#include "connectors/comfyui/transfer/wanted.h"

#include <algorithm>

#include "ipc/text/people.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

Error not_for_jobs(const std::string& store, const FilesOffer& offer) {
    std::string open = "inline, reference";
    for (const auto* names : {&offer.deliver, &offer.jobs})
        for (const std::string& each : *names)
            if (open.find(each) == std::string::npos) add_item(open, each);
    return {"invalid_payload",
            "outputs.deliver names \"" + store + "\", which is " +
                (text::has_item(offer.stores, store) ? "not for jobs ([stores." + store + "] jobs = true)"
                                                     : "no store of this worker") +
                "; a job may name " + open};
}

}  // namespace

bool Wanted::names(const char* store) const {
    return text::has_item(stores, store);
}

Result<Wanted> wanted_of(const OutputSettings& settings, const FilesOffer& offer,
                         const OutputWishes& wishes) {
    Wanted wanted;
    wanted.temp = wishes.temp.value_or(settings.temp);
    wanted.strip_metadata = wishes.strip_metadata.value_or(settings.strip_metadata);
    if (!offer.deliver.empty()) wanted.stores = offer.deliver;
    if (wishes.deliver) {
        if (wishes.deliver->empty()) return Error{"invalid_payload", "outputs.deliver must not be empty"};
        for (const std::string& store : *wishes.deliver) {
            const bool open = store == "inline" || store == "reference" ||
                              text::has_item(offer.deliver, store) ||
                              (text::has_item(offer.stores, store) && text::has_item(offer.jobs, store));
            if (!open) return not_for_jobs(store, offer);
        }
        wanted.stores = *wishes.deliver;
        wanted.named = true;
    }
    wanted.inline_max_bytes = settings.inline_max_bytes;
    if (wishes.inline_max_bytes)
        wanted.inline_max_bytes =
            std::min(wanted.inline_max_bytes.value_or(*wishes.inline_max_bytes), *wishes.inline_max_bytes);
    return wanted;
}

}  // namespace emprops::comfyui
