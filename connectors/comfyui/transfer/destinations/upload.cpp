#include "connectors/comfyui/transfer/destinations/upload.h"

#include "ipc/text/utf8.h"

namespace emprops::comfyui {

HttpRequest put_request(const Uploads& uploads, const OutputSettings& rules, const Cargo& cargo,
                        const std::string& url) {
    HttpRequest put;
    put.method = "PUT";
    put.url = url;
    put.body_file = cargo.path;
    put.headers["Content-Type"] = cargo.file.mime_type;
    put.connect_timeout = uploads.settings.limits.connect;
    put.timeout = uploads.settings.limits.download;
    put.verify_tls = rules.verify_tls;
    put.ca_file = rules.ca_file;
    put.cancelled = uploads.cancelled;
    return put;
}

std::optional<Failure> upload(const Uploads& uploads, const HttpRequest& put, const Cargo& cargo,
                              const std::string& by) {
    std::string why;
    for (int attempt = 1; attempt <= most_tries; ++attempt) {
        const auto answer = uploads.http.send(put);
        if (const auto* response = std::get_if<HttpResponse>(&answer)) {
            if (response->status >= 200 && response->status < 300) return {};
            why = "HTTP " + std::to_string(response->status) + " " +
                  std::string(text::cut(response->body, 300));
            if (response->status < 500 && response->status != 429) break;
        } else {
            why = no_answer(answer)->what;
        }
        if (attempt < most_tries && uploads.pause(pause_between_tries * attempt)) break;
    }
    // A presigned URL's query is a secret.
    return failure_of("comfyui.delivery_failed", "delivery",
                      "cannot store \"" + cargo.file.filename + "\" by " + by + " at " +
                          put.url.substr(0, put.url.find('?')) + ": " + why);
}

}  // namespace emprops::comfyui
