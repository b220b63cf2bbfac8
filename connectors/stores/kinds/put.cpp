#include "connectors/stores/kinds/put.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "connectors/stores/http/url.h"
#include "connectors/stores/kinds/upload.h"
#include "ipc/text/percent.h"
#include "ipc/text/values.h"
#include "ipc/web/url.h"

namespace emprops::stores {
namespace {

/// Shorter ones are words such as "1" or "private", which stand everywhere.
constexpr std::size_t shortest_secret = 8;

class Put : public Store {
  public:
    Put(PutOrder order, web::HostList allowed, Road road)
        : order_(std::move(order)), allowed_(std::move(allowed)), road_(std::move(road)) {}

    Outcome bring(const Cargo& cargo) override {
        const std::string shown = without_secrets(order_.url);
        // The supervisor has asked already; its list may have changed since.
        const auto url = web::Url::parse(order_.url);
        if (!url.ok() || !allowed_.permits(*url))
            return Setback{cannot_store(uploads_, cargo, shown, "stores.put_allow does not name its server"),
                           false, Ms{0}, Trouble::configuration};
        HttpRequest put = store_request(uploads_, "PUT", order_.url);
        put.public_only = true;
        put.permitted = [this](const web::IpAddress& address, std::uint16_t port) {
            return allowed_.names(address, port);
        };
        put.private_setting = "naming that very address in stores.put_allow";
        put.headers = order_.headers;
        const bool typed = std::any_of(put.headers.begin(), put.headers.end(), [](const auto& header) {
            return text::lower(header.first) == "content-type";
        });
        if (!typed) put.headers["Content-Type"] = cargo.mime_type;
        carry(put, uploads_, cargo, 0, cargo.size);
        if (auto failed = judge(road_.http.send(put), put, uploads_, cargo)) {
            failed->message = without_secrets_of(std::move(failed->message), order_);
            return std::move(*failed);
        }
        return Placed{{{"url", shown}}};
    }

  private:
    const PutOrder order_;
    const web::HostList allowed_;
    const Road road_;
    const StoreSettings settings_{};
    const Words words_{order_.name, order_.name + ".put",
                       order_.name + ".put (its signature, its headers, and until when it holds)",
                       "this machine's authorities (ca-certificates)"};
    const Uploads uploads_{settings_, words_, road_};
};

}  // namespace

std::string without_secrets_of(std::string text, const PutOrder& order) {
    const std::size_t question = std::min(order.url.find('?'), order.url.size());
    const std::string query = order.url.substr(std::min(question + 1, order.url.size()));
    std::vector<std::string> secrets{query};
    for (const std::string& pair : text::split_list(query, '&')) {
        const std::string value = pair.substr(std::min(pair.find('=') + 1, pair.size()));
        secrets.push_back(value);
        secrets.push_back(text::percent_decode(value));
    }
    for (const auto& [name, value] : order.headers)
        if (text::lower(name) != "content-type") secrets.push_back(value);
    // The longest first: it may hold the others.
    std::stable_sort(secrets.begin(), secrets.end(),
                     [](const auto& one, const auto& other) { return one.size() > other.size(); });
    for (const std::string& secret : secrets)
        if (secret.size() >= shortest_secret) text = text::replaced(std::move(text), secret, "...");
    return text;
}

std::unique_ptr<Store> make_put(PutOrder order, web::HostList allowed, Road road) {
    return std::make_unique<Put>(std::move(order), std::move(allowed), std::move(road));
}

}  // namespace emprops::stores
