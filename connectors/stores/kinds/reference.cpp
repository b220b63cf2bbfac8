#include "connectors/stores/kinds/reference.h"

#include "connectors/stores/http/address.h"
#include "ipc/web/url.h"

namespace emprops::stores {
namespace {

class Reference : public Store {
  public:
    Reference(ReferenceSettings settings, Words words)
        : settings_(std::move(settings)), words_(std::move(words)) {}

    Outcome bring(const Cargo& cargo) override {
        if (cargo.url.empty()) return NotHere{"the service that made it gave no address of it"};
        const auto url = web::Url::parse(cargo.url);
        if (!url.ok() || (url->scheme != "http" && url->scheme != "https"))
            return NotHere{"the address that the service gave is none of the web"};
        if (settings_.base_url.empty() && !settings_.allow_local && !is_public_host(url->host)) {
            return NotHere{
                "the address of the service is one of this machine's network, and clients are elsewhere",
                "set " + words_.address + " to the address under which clients reach the service"};
        }
        // A link is only a link with its query; what stands before an "@" is for us.
        const std::string origin = settings_.base_url.empty()
                                       ? url->scheme + "://" + web::Url::authority(url->host, url->port)
                                       : settings_.base_url;
        return Placed{{{"url", origin + url->path + (url->query.empty() ? "" : "?" + url->query)}}};
    }

  private:
    const ReferenceSettings settings_;
    const Words words_;
};

}  // namespace

std::unique_ptr<Store> make_reference(ReferenceSettings settings, Words words) {
    return std::make_unique<Reference>(std::move(settings), std::move(words));
}

}  // namespace emprops::stores
