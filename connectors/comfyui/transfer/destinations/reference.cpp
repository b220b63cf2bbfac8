#include "connectors/comfyui/transfer/destinations/reference.h"

#include <optional>

#include "connectors/comfyui/text/web.h"
#include "ipc/web/host.h"

namespace emprops::comfyui {
namespace {

/// ComfyUI's own address, as far as others can open it.
class OwnAddress {
  public:
    explicit OwnAddress(const Settings& settings) : settings_(settings) {}

    /// Why it is not for everybody; empty: it is. Looks the name up, once.
    const std::string& local_only() {
        if (!why_) {
            const std::string& host = settings_.server.host;
            const bool loopback = web::is_loopback_host(host);
            const std::string where = loopback ? "on this machine only" : "in its own network only";
            const bool open = !loopback && is_public_host(host);
            why_ =
                open ? "" : "the address of ComfyUI, " + settings_.server.text() + ", can be opened " + where;
        }
        return *why_;
    }

  private:
    const Settings& settings_;
    std::optional<std::string> why_;
};

}  // namespace

Destination make_reference(const Settings& settings, const OutputSettings& rules,
                           std::function<std::string(const OutputFile&)> link) {
    const bool own = rules.reference_base_url.empty();
    return [&settings, own, stripped = rules.strip_metadata, link = std::move(link),
            address = OwnAddress(settings)](const Cargo& cargo) mutable -> Placement {
        if (!cargo.in_comfyui) return Spilled{"it is not stored in ComfyUI"};
        // A link into ComfyUI would lead to the file with its metadata still in it.
        if (stripped) return Spilled{"it would lead to the file with its metadata (strip_metadata)"};
        const std::string local_only = own ? address.local_only() : "";
        if (!local_only.empty() && !settings.client_is_here) {
            return Spilled{local_only + ", and the Hub is elsewhere",
                           "set reference_base_url to the address under which clients reach ComfyUI"};
        }
        return Placed{{{"url", link(cargo.file)}}, local_only};
    };
}

}  // namespace emprops::comfyui
