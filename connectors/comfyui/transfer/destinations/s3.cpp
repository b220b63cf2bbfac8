#include "connectors/comfyui/transfer/destinations/s3.h"

#include "connectors/comfyui/transfer/destinations/target_names.h"
#include "ipc/text/percent.h"
#include "ipc/web/digest.h"

namespace emprops::comfyui {

Destination make_s3(Uploads uploads, OutputSettings rules) {
    while (!rules.s3.endpoint.empty() && rules.s3.endpoint.back() == '/') {
        rules.s3.endpoint.pop_back();
    }
    return [uploads = std::move(uploads), rules = std::move(rules),
            names = TargetNames()](const Cargo& cargo) mutable -> Placement {
        const S3Settings& s3 = rules.s3;
        // A bucket replaces what it has under a key: two jobs must not meet there because their ids lost a "/".
        auto values = cargo.values;
        for (auto& [key, value] : values) {
            if (key == "job_id" && value != fill_template("{x}", {{"x", value}}))
                value += "-" + sha256_hex(value).substr(0, 8);
        }
        const std::string key = names.give(cargo.path, fitted_path(fill_template(s3.key_template, values)));
        const std::string in_url = text::percent_encode(key, "/");
        const std::string url = s3.endpoint + "/" + s3.bucket + "/" + in_url;
        HttpRequest put = put_request(uploads, rules, cargo, url);
        put.s3 = HttpRequest::Signature{s3.region, s3.access_key, s3.secret_key};
        if (!s3.session_token.empty()) put.headers["x-amz-security-token"] = s3.session_token;
        put.headers["x-amz-content-sha256"] = cargo.sha256;
        if (auto failed = upload(uploads, put, cargo,
                                 {"s3", "s3_endpoint (and s3_region)", "s3_access_key and s3_secret_key"}))
            return std::move(*failed);
        return Placed{{{"bucket", s3.bucket},
                       {"key", key},
                       {"url", s3.public_url.empty() ? url : s3.public_url + "/" + in_url}}};
    };
}

}  // namespace emprops::comfyui
