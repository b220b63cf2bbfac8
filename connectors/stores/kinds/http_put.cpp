#include "connectors/stores/kinds/http_put.h"

#include <algorithm>

#include "connectors/stores/http/url.h"
#include "connectors/stores/kinds/upload.h"
#include "connectors/stores/names/key_template.h"
#include "connectors/stores/names/target_names.h"
#include "connectors/stores/settings/secrets.h"
#include "ipc/text/percent.h"
#include "ipc/text/values.h"

namespace emprops::stores {
namespace {

class HttpPut : public Store {
  public:
    HttpPut(HttpPutSettings settings, Words words, Road road)
        : settings_(std::move(settings)), words_(std::move(words)), road_(std::move(road)) {}

    Outcome bring(const Cargo& cargo) override {
        Values encoded = cargo.values;
        for (auto& pair : encoded)
            pair.second = text::percent_encode(fitted_name(pair.second));
        const std::string key = text::percent_encode(key_of(settings_.key, cargo.values), "/");
        const std::string url = fill_template(text::replaced(settings_.url, "{key}", key), encoded);
        const auto query_at = std::min(url.find('?'), url.size());
        const std::string shown = names_.give(cargo.owner, url.substr(0, query_at));
        HttpRequest put = store_request(uploads_, "PUT", shown + url.substr(query_at));
        put.headers["Content-Type"] = cargo.mime_type;
        set_headers(put, settings_.headers);
        if (!settings_.headers_file.empty()) {
            const auto more = read_headers("headers_file", settings_.headers_file);
            if (!more.ok()) return Setback{more.error().message, false, Ms{0}, Trouble::configuration};
            set_headers(put, *more);
        }
        carry(put, uploads_, cargo, 0, cargo.size);
        if (auto failed = judge(road_.http.send(put), put, uploads_, cargo)) return std::move(*failed);
        return Placed{{{"url", settings_.public_url.empty() ? without_secrets(shown)
                                                            : settings_.public_url + "/" + key}}};
    }

  private:
    /// In place of what has the same name, in whatever letter case.
    static void set_headers(HttpRequest& put, const std::map<std::string, std::string>& headers) {
        for (const auto& [name, value] : headers) {
            std::erase_if(put.headers, [wanted = text::lower(name)](const auto& header) {
                return text::lower(header.first) == wanted;
            });
            put.headers[name] = value;
        }
    }
    const HttpPutSettings settings_;
    const Words words_;
    const Road road_;
    const Uploads uploads_{settings_, words_, road_};
    TargetNames names_;
};

}  // namespace

std::unique_ptr<Store> make_http_put(HttpPutSettings settings, Words words, Road road) {
    return std::make_unique<HttpPut>(std::move(settings), std::move(words), std::move(road));
}

}  // namespace emprops::stores
