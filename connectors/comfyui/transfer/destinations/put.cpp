#include "connectors/comfyui/transfer/destinations/put.h"

#include <algorithm>

#include "connectors/comfyui/transfer/destinations/target_names.h"
#include "ipc/text/percent.h"

namespace emprops::comfyui {

Destination make_put(Uploads uploads, OutputSettings rules) {
    return [uploads = std::move(uploads), rules = std::move(rules),
            names = TargetNames()](const Cargo& cargo) mutable -> Placement {
        auto encoded = cargo.values;
        for (auto& pair : encoded) {
            pair.second = text::percent_encode(fitted_name(pair.second));
        }
        const std::string url = fill_template(rules.http_put_url, encoded);
        const auto query_at = std::min(url.find('?'), url.size());
        const std::string shown = names.give(cargo.path, url.substr(0, query_at));
        HttpRequest put = put_request(uploads, rules, cargo, shown + url.substr(query_at));
        for (const auto& [name, value] : rules.http_put_headers) {
            put.headers[name] = value;
        }
        if (auto failed = upload(uploads, put, cargo, {"http_put", "http_put_url", "http_put_headers"}))
            return std::move(*failed);
        return Placed{{{"url", shown}}};
    };
}

}  // namespace emprops::comfyui
