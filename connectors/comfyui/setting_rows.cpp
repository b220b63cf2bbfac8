#include "connectors/comfyui/setting_rows.h"

#include "ipc/text/variables.h"

namespace emprops::comfyui {

using emprops::settings::Codec;
using emprops::settings::Complaint;
using emprops::settings::Context;
using emprops::settings::Headers;
using emprops::settings::joined;
using emprops::settings::of_member;
using emprops::settings::Size;

namespace {

constexpr double above_zero = 0.001;  // s; zero would mean "no limit", and there is no wait without one

/// Names that join those that are there by default.
struct MoreNames : Codec<std::vector<std::string>> {
    Complaint read(const Json& value, const Context& context, std::vector<std::string>& into) const {
        std::vector<std::string> more;
        Complaint wrong = Codec<std::vector<std::string>>::read(value, context, more);
        if (!wrong) into.insert(into.end(), more.begin(), more.end());
        return wrong;
    }
};

/// A size; an empty text unsets it.
struct OptionalSize : Codec<std::optional<std::uint64_t>> {
    std::string noun(const std::optional<emprops::Range>& range) const { return Size().noun(range); }
    Complaint read(const Json& value, const Context& context, std::optional<std::uint64_t>& into) const {
        if (value == "") {
            into.reset();
            return {};
        }
        std::uint64_t size = 0;
        Complaint wrong = Size().read(value, context, size);
        if (!wrong) into = size;
        return wrong;
    }
    Json from_text(std::string_view text) const { return Size().from_text(text); }
    Json write(const std::optional<std::uint64_t>& value) const {
        return value ? Size().write(*value) : Json();
    }
};

struct Port : Codec<int> {
    Complaint read(const Json& value, const Context& context, int& into) const {
        if (value.is_string() && text::is_service_link(value.get_ref<const std::string&>())) {
            return "is \"" + value.get<std::string>() +
                   "\": Kubernetes sets that for a service called comfyui (set enableServiceLinks: false "
                   "in the pod, or COMFYUI_SERVER_URL)";
        }
        return Codec<int>::read(value, context, into);
    }
};

struct BaseUrl : Codec<std::string> {
    static constexpr bool takes_empty = false;
    std::string noun(const std::optional<emprops::Range>&) const {
        return "an http(s) address without a password";
    }
    Complaint read(const Json& value, const Context& context, std::string& into) const {
        std::string text;
        if (Complaint wrong = Codec<std::string>::read(value, context, text)) return wrong;
        const auto url = parse_url(text);
        if (!url.ok() || !url->username.empty()) {
            return "must be " + noun({}) + ", such as \"https://comfy.example.org\"";
        }
        text.erase(text.find_last_not_of('/') + 1);
        into = std::move(text);
        return {};
    }
};

SettingRows<ServerParts> server_rows() {
    using P = ServerParts;
    return {
        row(&P::url, "server_url",
            "Address of ComfyUI, `http(s)://[user:password@]host:port[/prefix]`; wins over the next "
            "three. None of these four set: the ComfyUI that the worker runs for this instance "
            "(`[connectors.NAME.service]`, EMPROPS_SERVICE_URL)."),
        row(&P::host, "host", "Host of ComfyUI, or a whole address, as the Python worker took it."),
        row(&P::port, "port", Port(), "Port of ComfyUI.").within(1, 65535),
        row(&P::ssl, "use_ssl", "Speak https with `host`."),
        row(&P::prefix, "path_prefix", "Added to the path (`/api`, a proxy's folder)."),
        row(&P::username, "username",
            "For a proxy in front of ComfyUI, on HTTP and WebSocket; with `password`."),
        row(&P::password, "password", "See `username`.").hidden(),
        row(&P::bearer, "bearer_token", "As `username` and `password`, for a proxy that takes a token.")
            .hidden(),
    };
}

SettingRows<Settings> general_rows() {
    using S = Settings;
    return {
        row(&S::headers, "headers", Headers(),
            "Sent with HTTP and WebSocket; a table, in a variable its JSON or lines `Name: value`."),
        row(&S::verify_tls, "verify_tls", "Verify ComfyUI's certificate and name."),
        row(&S::ca_file, "ca_file",
            "PEM file of authorities that are trusted for ComfyUI besides the system's."),
        row(&S::websocket, "websocket", "False: poll only (a proxy that cannot pass WebSockets)."),
        row(&S::websocket_nodes, "websocket_nodes", MoreNames(),
            "More node classes that send a picture over the WebSocket with each step of their progress "
            "bar, as `SaveImageWebsocket` does (see Pictures over the WebSocket)."),
        row(&S::job_type, "job_type", "Job type that is served."),
        row(&S::api_key_comfy_org, "api_key_comfy_org",
            "Key of comfy.org for paid nodes, put into each job's `extra_data` unless the job brings one.")
            .hidden(),
        row(&S::concurrency, "concurrency",
            "Old name of `[connectors.NAME] concurrency`, which wins; with a warning. ComfyUI runs one "
            "prompt at a time; more than 1 only fills its queue.")
            .within(1, 64),
        row(&S::prompt_namespace, "prompt_namespace",
            "Part of every prompt id, beside the Hub, the job and its payload; empty: worker, connector "
            "and state folder."),
        row(&S::allow_partial, "allow_partial",
            "Run a prompt of which ComfyUI refused some outputs, and deliver what other nodes put out "
            "when one fails (else the failure's `details.files` names it)."),
        row(&S::preflight, "preflight", "Compare the graph with `/object_info` before anything is uploaded."),
        row(&S::max_resubmissions, "max_resubmissions", "How often a lost prompt is sent again.")
            .within(0, 8),
    };
}

SettingRows<Limits> limit_rows() {
    using L = Limits;
    return {
        row(&L::queue_wait, "queue_timeout", "Waiting behind other prompts.").at_least(above_zero),
        row(&L::start, "start_timeout", "Prompts wait and nothing runs: silent worker thread.")
            .at_least(above_zero),
        row(&L::no_progress, "no_progress_timeout",
            "Running without an event of its own (counts only while the WebSocket is up), or waiting "
            "behind one and the same prompt of somebody else (see below).")
            .at_least(above_zero),
        row(&L::total, "total_timeout", "All of it; without a WebSocket the only limit of a run.")
            .at_least(above_zero),
        row(&L::unreachable, "unreachable_timeout", "ComfyUI does not answer while a job waits.")
            .at_least(above_zero),
        row(&L::cancel, "cancel_timeout",
            "Then a cancelled job ends and the monitor goes on removing the prompt (meanwhile no jobs "
            "are taken); keep below the supervisor's `cancel_timeout`.")
            .at_least(above_zero),
        row(&L::connect, "connect_timeout", "TCP and TLS of each request.").at_least(above_zero).seldom(),
        row(&L::response, "response_timeout",
            "One answer of ComfyUI, whose Python is silent while models load.")
            .at_least(above_zero)
            .seldom(),
        row(&L::upload, "upload_timeout", "One input file to ComfyUI.").at_least(above_zero).seldom(),
        row(&L::download, "download_timeout", "One output file from ComfyUI.").at_least(above_zero).seldom(),
    };
}

SettingRows<Settings> watching_rows() {
    using S = Settings;
    return {
        row(&S::poll_interval, "polling_interval",
            "How often a prompt is asked for; a running one that the WebSocket tells of, a twentieth as often.")
            .at_least(above_zero)
            .seldom(),
        row(&S::status_interval, "status_interval",
            "How often ComfyUI's health is looked at; while a prompt runs and the WebSocket tells of it, every 24th time.")
            .at_least(above_zero)
            .seldom(),
        row(&S::stuck_timeout, "stuck_timeout",
            "A prompt that was withdrawn and interrupted runs on: ComfyUI's worker thread is taken for dead.")
            .at_least(above_zero)
            .seldom(),
        row(&S::orphan_grace, "orphan_grace",
            "An own prompt for which no job has been there so long is removed; keep above `resume_window`.")
            .at_least(above_zero)
            .seldom(),
    };
}

SettingRows<InputRules> input_rows() {
    using I = InputRules;
    return {
        row(&I::max_bytes, "input_max_bytes", Size(), "Largest file that a payload names."),
        row(&I::timeout, "input_timeout",
            "One file that a payload names, with all tries and redirects. A source that gives no byte for 30 s is "
            "given up before.")
            .at_least(above_zero),
        row(&I::allow_private, "input_allow_private",
            "Payloads may name loopback, private and link-local addresses."),
    };
}

SettingRows<OutputSettings> output_rows() {
    using O = OutputSettings;
    return {
        row(&O::reference_base_url, "reference_base_url", BaseUrl(),
            "Address under which clients reach ComfyUI, put before `/view` in the links of the store `reference`. "
            "Not set: ComfyUI's own address."),
        row(&O::inline_max_bytes, "inline_max_bytes", OptionalSize(),
            "All inline files and texts of a job together, before base64; what is more goes to the next store. "
            "Unset: what fits into one message of the Hub."),
        row(&O::max_file_bytes, "max_file_bytes", Size(), "One file."),
        row(&O::temp, "deliver_temp",
            "Previews (type temp) too. Where a workflow puts out nothing else, they are delivered anyway, "
            "with a note."),
        row(&O::strip_metadata, "strip_metadata",
            "Take the prompt, the workflow and other metadata out of files (then no `reference`); see "
            "Metadata."),
    };
}

SettingRows<PreviewSettings> preview_rows() {
    using P = PreviewSettings;
    return {
        row(&P::enabled, "previews", "Pass previews on, in the progress' `details.preview`."),
        row(&P::interval, "preview_interval", "At most one in this time.").at_least(above_zero),
        row(&P::max_bytes, "preview_max_bytes", Size(), "A larger preview is left out."),
    };
}

SettingRows<Settings> folder_rows() {
    using S = Settings;
    return {
        row(&S::comfyui_folder, "comfyui_folder",
            "ComfyUI's base folder if it is on this machine: output files are copied from there instead of downloaded, "
            "a job's uploads are removed; disk guard."),
        row(&S::min_free_bytes, "min_free_bytes", Size(),
            "Below this on the disk of `comfyui_folder` or of the work folder no jobs are taken; 0: off."),
        row(&S::delete_delivered, "delete_delivered",
            "Remove output files from `comfyui_folder` once they are copied or downloaded (then no `reference`)."),
        row(&S::output_subfolder, "output_subfolder",
            "A folder of its own for each job's outputs; unset: with `comfyui_folder`; see House-keeping."),
    };
}

}  // namespace

const SettingRows<GivenSettings>& setting_rows() {
    using S = Settings;
    static const SettingRows<GivenSettings> rows = joined<GivenSettings>({
        of_member(&GivenSettings::server, server_rows()),
        of_member(&GivenSettings::settings, joined<S>({
                                                general_rows(),
                                                of_member(&S::limits, limit_rows()),
                                                watching_rows(),
                                                of_member(&S::inputs, input_rows()),
                                                of_member(&S::outputs, output_rows()),
                                                of_member(&S::previews, preview_rows()),
                                                folder_rows(),
                                            })),
    });
    return rows;
}

}  // namespace emprops::comfyui
