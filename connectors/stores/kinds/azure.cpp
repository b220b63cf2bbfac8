#include "connectors/stores/kinds/azure.h"

#include <algorithm>

#include "connectors/stores/http/url.h"
#include "connectors/stores/kinds/holder.h"
#include "connectors/stores/kinds/upload.h"
#include "connectors/stores/names/key_template.h"
#include "connectors/stores/names/target_names.h"
#include "connectors/stores/settings/secrets.h"
#include "connectors/stores/sign/azure.h"
#include "ipc/text/percent.h"
#include "ipc/web/base64.h"

namespace emprops::stores {
namespace {

constexpr const char* azure_version = "2021-08-06";
constexpr Notes azure_notes{"x-ms-meta-sha256", "x-ms-meta-emprops_job"};

using Query = std::vector<std::pair<std::string, std::string>>;

/// All ids of a blob have one length.
std::string block_id(std::size_t number) {
    const std::string digits = std::to_string(number);
    return web::base64_encode(std::string(8 - std::min<std::size_t>(digits.size(), 8), '0') + digits);
}

class Azure : public Store {
  public:
    Azure(AzureSettings settings, Words words, Road road, AzureLimits limits)
        : settings_(std::move(settings)), words_(std::move(words)), road_(std::move(road)), limits_(limits) {
        if (auto endpoint = parse_url(settings_.endpoint); endpoint.ok()) endpoint_ = *endpoint;
    }

    Outcome bring(const Cargo& cargo) override {
        key_ = names_.give(cargo.owner, key_of(settings_.key, cargo.values));
        auto failed = look(cargo);
        if (!failed && !condition_.is_done())
            failed = cargo.size > limits_.single_bytes ? bring_blocks(cargo) : put_blob(cargo);
        if (failed) return std::move(*failed);
        const std::string in_url = text::percent_encode(key_, "/");
        return Placed{{{"container", settings_.container},
                       {"key", key_},
                       {"url", settings_.public_url.empty() ? url() : settings_.public_url + "/" + in_url}}};
    }

  private:
    std::string path() const {
        return endpoint_.prefix + "/" + settings_.container + "/" + text::percent_encode(key_, "/");
    }
    std::string url() const { return endpoint_.scheme + "://" + endpoint_.authority() + path(); }

    /// The request, authorized for this moment.
    Result<HttpRequest> request(const char* method, Query query, std::map<std::string, std::string> headers,
                                std::uint64_t size) const {
        headers["x-ms-version"] = azure_version;
        headers["x-ms-date"] = azure_moment(std::chrono::system_clock::now());
        std::string more;
        for (const auto& [name, value] : query)
            more +=
                (more.empty() ? "?" : "&") + text::percent_encode(name) + "=" + text::percent_encode(value);
        const auto sas = secret_of(settings_.sas, "sas_file", settings_.sas_file);
        if (!sas.ok()) return sas.error();
        if (!sas->empty()) {
            more += (more.empty() ? "?" : "&") + sas->substr(sas->starts_with('?') ? 1 : 0);
        } else {
            const auto key = secret_of(settings_.account_key, "account_key_file", settings_.account_key_file);
            if (!key.ok()) return key.error();
            const auto authorization = azure_authorization({method, path(), std::move(query), headers, size},
                                                           settings_.account, *key);
            if (!authorization.ok()) return authorization.error();
            headers["authorization"] = *authorization;
        }
        HttpRequest request = store_request(uploads_, method, url() + more);
        request.headers = std::move(headers);
        return request;
    }

    /// Before the first byte: whose the key is, where a job has chosen it.
    std::optional<Setback> look(const Cargo& cargo) {
        if (road_.claim.empty()) return {};
        const auto head = request("HEAD", {}, {}, 0);
        if (!head.ok()) return misconfigured(head.error());
        auto holder = holder_of(road_.http.send(*head), *head, uploads_, cargo, azure_notes);
        if (auto* failed = std::get_if<Setback>(&holder)) return std::move(*failed);
        condition_.looked(std::get<Holder>(holder));
        return {};
    }

    /// With which the blob is made.
    std::map<std::string, std::string> with_notes(std::map<std::string, std::string> headers,
                                                  const Cargo& cargo) const {
        headers[azure_notes.hash] = cargo.sha256;
        if (!road_.claim.empty()) headers[azure_notes.claim] = road_.claim;
        condition_.add_to(headers);
        return headers;
    }

    static std::optional<Setback> misconfigured(const Error& error) {
        return Setback{error.message, false, Ms{0}, Trouble::configuration};
    }

    /// In one request. What has an answer that was lost is looked for.
    std::optional<Setback> put_blob(const Cargo& cargo) {
        auto put =
            request("PUT", {},
                    with_notes({{"content-type", cargo.mime_type}, {"x-ms-blob-type", "BlockBlob"}}, cargo),
                    cargo.size);
        if (!put.ok()) return misconfigured(put.error());
        carry(*put, uploads_, cargo, 0, cargo.size);
        return settled(*put, cargo);
    }

    std::optional<Setback> bring_blocks(const Cargo& cargo) {
        const std::uint64_t block =
            std::max(limits_.block_bytes, (cargo.size + limits_.blocks - 1) / limits_.blocks);
        while (block * done_ < cargo.size) {
            const std::uint64_t offset = block * done_;
            const std::uint64_t size = std::min(block, cargo.size - offset);
            auto put = request("PUT", {{"comp", "block"}, {"blockid", block_id(done_)}},
                               {{"content-type", "application/octet-stream"}}, size);
            if (!put.ok()) return misconfigured(put.error());
            carry(*put, uploads_, cargo, offset, size);
            if (auto failed = judge(road_.http.send(*put), *put, uploads_, cargo)) return failed;
            ++done_;
        }
        std::string list = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
        for (std::size_t i = 0; i < done_; ++i)
            list += "<Latest>" + block_id(i) + "</Latest>";
        list += "</BlockList>";
        auto put = request(
            "PUT", {{"comp", "blocklist"}},
            with_notes({{"content-type", "application/xml"}, {"x-ms-blob-content-type", cargo.mime_type}},
                       cargo),
            list.size());
        if (!put.ok()) return misconfigured(put.error());
        put->body = std::move(list);
        return settled(*put, cargo);
    }

    /// Sends what makes the blob. An answer that was lost is settled by a look.
    std::optional<Setback> settled(const HttpRequest& put, const Cargo& cargo) {
        const auto answer = road_.http.send(put);
        auto failed = judge(answer, put, uploads_, cargo);
        if (failed && is_lost(answer) && !road_.cancelled() && has(cargo)) return {};
        const auto* response = std::get_if<HttpResponse>(&answer);
        if (failed && response != nullptr && xml_element(response->body, "Code") == "InvalidBlockList") {
            done_ = 0;  // somebody else's list has removed our blocks
            failed->passing = true;
        }
        if (failed) condition_.judge(answer, *failed);
        return failed;
    }

    bool has(const Cargo& cargo) const {
        const auto head = request("HEAD", {}, {}, 0);
        if (!head.ok()) return false;
        const auto answer = road_.http.send(*head);
        const auto* response = std::get_if<HttpResponse>(&answer);
        if (response == nullptr || response->status != 200) return false;
        return has_content(*response, cargo, azure_notes.hash);
    }

    const AzureSettings settings_;
    const Words words_;
    const Road road_;
    const AzureLimits limits_;
    const Uploads uploads_{settings_, words_, road_};
    Url endpoint_;
    TargetNames names_;
    std::string key_;
    std::size_t done_ = 0;  // blocks that are there
    Condition condition_;
};

}  // namespace

std::unique_ptr<Store> make_azure(AzureSettings settings, Words words, Road road, AzureLimits limits) {
    return std::make_unique<Azure>(std::move(settings), std::move(words), std::move(road), limits);
}

}  // namespace emprops::stores
