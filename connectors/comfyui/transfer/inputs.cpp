#include "connectors/comfyui/transfer/inputs.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "connectors/comfyui/server/file_handle.h"
#include "connectors/comfyui/text/file_kind.h"
#include "connectors/comfyui/text/web.h"
#include "ipc/text/people.h"
#include "ipc/web/base64.h"
#include "ipc/web/uuid.h"

namespace emprops::comfyui {
namespace {

constexpr Ms longest_connect{10'000};
constexpr std::size_t telling_bytes = 512;  // of a file: enough to see what it is

Setback disk_full(const std::string& path) {
    return {failure_of(Cause::disk, "cannot write " + path + ": " + std::strerror(errno))};
}

Failure too_large(const std::string& what, const std::string& size, const InputRules& rules) {
    return failure_of(Cause::payload_too_large,
                      what + " has " + size + "; input_max_bytes allows " + exact_bytes(rules.max_bytes));
}

/// Nullopt: what lies at `path` may be the file. Looked at before ComfyUI gets it, and long before it is rendered.
std::optional<Setback> refuse_page(const InputFile& input, const std::string& path, const std::string& where,
                                   const std::string& content_type) {
    std::array<char, telling_bytes> bytes{};
    const FileHandle file(std::fopen(path.c_str(), "rbe"));
    const std::size_t count = file ? std::fread(bytes.data(), 1, bytes.size(), file.get()) : 0;
    if (count == 0) return Setback{failure_of(Cause::no_file, where + " is empty")};
    const std::string instead = no_file_but(input.filename, content_type, {bytes.data(), count});
    if (instead.empty()) return {};
    return Setback{
        failure_of(Cause::no_file, where + " is " + instead + " and not the file \"" + input.filename +
                                       "\": a link to a page that shows it, or a login, is no link to it")};
}

/// Asked before the upload: ComfyUI refuses it only when it has come.
std::optional<Setback> refuse_large(const std::string& path, const std::string& what,
                                    std::optional<std::uint64_t> most) {
    constexpr std::uint64_t form = 1024;  // what is sent around the file
    std::error_code failed;
    const std::uint64_t size = std::filesystem::file_size(path, failed);
    if (failed || !most || size + form <= *most) return {};
    return Setback{
        failure_of(Cause::payload_too_large, what + " has " + exact_bytes(size) +
                                                 ", and ComfyUI takes uploads of " + exact_bytes(*most) +
                                                 " at most; start ComfyUI with a higher --max-upload-size")};
}

/// The tries for one input that has an address.
class InputFetching {
  public:
    InputFetching(HttpClient& http, const InputFile& input, const std::string& path, const InputWays& ways)
        : http_(http),
          input_(input),
          path_(path),
          ways_(ways),
          deadline_(Clock::now() + ways.rules.timeout),
          tries_(std::min(ways.rules.silence, ways.rules.timeout), ways.pause) {}

    std::optional<Setback> run() {
        return tries_.run([this] { return attempt(); });
    }

  private:
    std::string named(const std::string& url) const {
        return input_.what + " (" + without_secrets(url) + ")";
    }
    Ms left() const { return std::chrono::duration_cast<Ms>(deadline_ - Clock::now()); }
    Setback late(const std::string& where) const {
        return {failure_of(Cause::unreachable, where + " did not come within input_timeout (" +
                                                   human_duration(ways_.rules.timeout) + ")")};
    }

    std::optional<Setback> attempt() {
        std::string url = tidy_url(input_.url);
        for (int hop = 0; hop <= ways_.rules.max_redirects; ++hop) {
            auto step = one_request(url);
            if (auto* setback = std::get_if<Setback>(&step)) return std::move(*setback);
            const auto& response = std::get<HttpResponse>(step);
            if (meaning_of(response.status, {}) != Meaning::redirect)
                return refuse_page(input_, path_, named(url), response.content_type);
            const std::string next = absolute_location(url, response.location);
            if (next.empty())
                return Setback{failure_of(Cause::no_file, named(url) + " redirects to nowhere usable")};
            url = next;
        }
        return Setback{failure_of(Cause::no_file, named(input_.url) + " redirects more than " +
                                                      std::to_string(ways_.rules.max_redirects) + " times")};
    }

    /// A file, or a redirect.
    std::variant<HttpResponse, Setback> one_request(const std::string& url) {
        const InputRules& rules = ways_.rules;
        const std::string where = named(url);
        if (left() <= Ms{0}) return late(where);
        const FileHandle file(std::fopen(path_.c_str(), "wbe"));
        if (!file) return disk_full(path_);
        HttpRequest get;
        get.url = url;
        get.timeout = left();
        get.silence = rules.silence;
        get.connect_timeout = std::min({get.timeout, longest_connect, rules.silence});
        get.max_bytes = rules.max_bytes;
        get.public_only = !rules.allow_private;
        get.private_setting = "input_allow_private";
        get.use_proxy = true;
        get.cancelled = ways_.cancelled;
        get.sink = [&](std::string_view bytes) {
            tries_.alive();
            return std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
        };
        auto answer = http_.send(get);
        if (const auto* large = std::get_if<TooLarge>(&answer)) {
            return Setback{too_large(
                where, large->size ? exact_bytes(*large->size) : "more than " + exact_bytes(rules.max_bytes),
                rules)};
        }
        if (std::holds_alternative<NotWritten>(answer)) return disk_full(path_);
        if (const auto* problem = std::get_if<Unreachable>(&answer)) {
            if (left() <= Ms{0}) return late(where);
            const std::string why = "cannot fetch " + where + ": " + problem->what;
            if (problem->refused || problem->unknown_name) return Setback{failure_of(Cause::no_file, why)};
            return Setback{failure_of(Cause::unreachable, why), true};
        }
        auto& response = std::get<HttpResponse>(answer);
        const Meaning meaning = meaning_of(response.status, response.content_type, true);
        const std::string why = "cannot fetch " + where + ": " + answer_text(response.status, response.body);
        if (is_passing(meaning))
            return Setback{failure_of(Cause::unreachable, why), true, response.retry_after};
        if (meaning == Meaning::denied)
            return Setback{failure_of(Cause::no_file, why + "; the link has expired, or wants a login")};
        if (meaning != Meaning::good && meaning != Meaning::redirect)
            return Setback{failure_of(Cause::no_file, why)};
        if (std::fflush(file.get()) != 0) return disk_full(path_);
        return std::move(response);
    }

    HttpClient& http_;
    const InputFile& input_;
    const std::string& path_;
    const InputWays& ways_;
    const Clock::time_point deadline_;
    Tries tries_;
};

std::optional<Setback> decode_input(const InputFile& input, const std::string& path,
                                    const InputRules& rules) {
    const std::string& what = input.what;
    auto bytes = web::base64_decode(input.base64);
    if (!bytes.ok()) return Setback{failure_of(Cause::validation, what + " is neither a URL nor base64")};
    if (bytes->size() > rules.max_bytes) return Setback{too_large(what, exact_bytes(bytes->size()), rules)};
    {
        const FileHandle file(std::fopen(path.c_str(), "wbe"));
        if (!file || std::fwrite(bytes->data(), 1, bytes->size(), file.get()) != bytes->size() ||
            std::fflush(file.get()) != 0) {
            return disk_full(path);
        }
    }
    return refuse_page(input, path, what, "");
}

}  // namespace

std::string input_subfolder(const std::string& space, const std::string& job_id) {
    // Job ids are a client's text, such as "../x": a hash is a safe name.
    return "emprops/" + uuid_v5(space, "inputs/" + job_id);
}

std::optional<Setback> fetch_input(HttpClient& http, const InputFile& input, const std::string& path,
                                   const InputWays& ways) {
    return InputFetching(http, input, path, ways).run();
}

std::variant<std::vector<std::string>, Failure> provide_inputs(Api& api,
                                                               const std::vector<const InputFile*>& files,
                                                               const InputWays& ways,
                                                               const std::string& subfolder,
                                                               const std::string& work_dir) {
    Tries uploads(ways.patience, ways.pause);
    std::vector<std::string> names;
    const auto most = files.empty() ? std::nullopt : api.max_upload();
    for (const InputFile* file : files) {
        if (ways.cancelled()) return failure_of(Cause::cancelled, "cancelled");
        const InputFile& input = *file;
        const std::string path = work_dir + "/input-" + std::to_string(names.size());
        // Two inputs of one name must not overwrite each other: ComfyUI reads a file only when its node runs.
        const std::string name = std::to_string(names.size()) + "-" + input.filename;
        auto setback = input.url.empty() ? decode_input(input, path, ways.rules)
                                         : fetch_input(api.http(), input, path, ways);
        if (!setback) setback = refuse_large(path, input.what, most);
        if (!setback) {
            setback = uploads.run([&]() -> std::optional<Setback> {
                auto stored = api.upload(path, name, subfolder);
                if (auto* failed = std::get_if<Setback>(&stored)) return std::move(*failed);
                names.push_back(std::move(std::get<std::string>(stored)));
                return {};
            });
        }
        std::error_code ignored;
        std::filesystem::remove(path, ignored);
        if (setback)
            return ways.cancelled() ? failure_of(Cause::cancelled, "cancelled") : std::move(setback->failure);
    }
    return names;
}

}  // namespace emprops::comfyui
