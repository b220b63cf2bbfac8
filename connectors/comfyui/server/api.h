#pragma once
// ComfyUI's HTTP calls with typed answers. One object per thread (it owns an HttpClient). Nothing here
// decides anything: status codes become the values that Run understands.

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "connectors/comfyui/run/answers.h"
#include "connectors/comfyui/settings.h"
#include "connectors/comfyui/text/failure.h"
#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "connectors/comfyui/text/web.h"

namespace emprops::comfyui {

class Api {
  public:
    /// `settings` must outlive the object. `cancelled` (may be empty) ends requests that are under way.
    explicit Api(const Settings& settings, std::function<bool()> cancelled = {});

    /// From now on no answer is waited for longer than this: a cancel must be through in time.
    void hurry(Ms longest) { longest_ = longest; }

    PostAnswer post_prompt(std::string body);
    HistoryAnswer history(const std::string& prompt_id);
    QueueAnswer queue();
    /// The newest entries of the history, whoever sent them.
    RecentAnswer recent();
    CancelAnswer cancel(const std::string& prompt_id);
    /// True when ComfyUI answered; it answers 200 whatever happened.
    bool remove_pending(const std::string& prompt_id);
    bool interrupt(const std::string& prompt_id);
    bool free_memory();

    /// A GET that answers in JSON: the value, or why not.
    std::variant<Json, AccessDenied, Unreachable> get_json(const std::string& path, Ms timeout,
                                                           Repairs* repairs = nullptr);

    /// What /object_info says of one class; an empty object: nothing, or it may not be asked.
    std::variant<Json, Unreachable> node_class(const std::string& name);
    /// The largest POST that ComfyUI takes (--max-upload-size); nullopt: it does not say.
    std::optional<std::uint64_t> max_upload();

    /// Uploads a file of this machine; the value is how a node names it ("subfolder/name").
    std::variant<std::string, Setback> upload(const std::string& file, const std::string& name,
                                              const std::string& subfolder);

    struct Missing {};    ///< the file is not there, or ComfyUI does not serve this name
    struct Unchanged {};  ///< the file is still the one of `unless`, and was not sent
    struct Downloaded {
        std::optional<std::int64_t> written_at_ms;  ///< the file's time, since 1970, by its server's clock
    };
    using Download = std::variant<Downloaded, Unchanged, Missing, Setback>;
    /// Downloads an output file to `path` (made anew) and checks the length. `unless`: the ETag of a file that need not
    /// be sent; empty: none.
    Download download(const OutputFile& file, const std::string& path, const std::string& unless = {});

    /// Where somebody else finds a file: with reference_base_url.
    std::string public_view_url(const OutputFile& file) const;
    HttpClient& http() { return http_; }

    /// A file is larger than max_file_bytes; `size` where it is known.
    Setback too_large(const OutputFile& file, std::optional<std::uint64_t> size) const;

  private:
    std::variant<Json, Unreadable, AccessDenied, Unreachable> get(const std::string& path, Ms timeout,
                                                                  Repairs* repairs);
    HttpRequest request(std::string method, const std::string& path, Ms timeout) const;
    HttpAnswer post_json(const std::string& path, const Json& body);
    AccessDenied denied(const HttpResponse& response, Meaning meaning, const std::string& path) const;
    bool post_empty(const std::string& path, const Json& body);

    const Settings& settings_;
    std::function<bool()> cancelled_;
    Ms longest_{Ms::max()};
    HttpClient http_;
};

}  // namespace emprops::comfyui
