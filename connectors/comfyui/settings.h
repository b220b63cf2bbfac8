#pragma once
// What can be set about the ComfyUI connector, and where it comes from: `[connectors.comfyui.settings]`
// (hello.settings) and the environment, which wins. Every key `some_key` is the variable COMFYUI_SOME_KEY or
// WORKER_COMFYUI_SOME_KEY, with the connector's own name in place of COMFYUI, too (the older Python worker knew both generations; the one with WORKER_ wins). What each means
// is said in its row (setting_rows.cpp).
// Plain values; loaded once, then only read, from any thread.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "connectors/comfyui/text/web.h"
#include "emprops/settings.h"
#include "ipc/result.h"

namespace emprops::comfyui {

using Json = nlohmann::json;
using Ms = std::chrono::milliseconds;

/// Time limits, one for each phase of a job: there is no wait without one.
struct Limits {
    Ms connect{5'000};         ///< TCP and TLS, HTTP and WebSocket
    Ms response{60'000};       ///< one answer: the server's Python can be held up for long by loading a model
    Ms queue_wait{1'800'000};  ///< waiting behind other prompts in ComfyUI's queue
    Ms start{60'000};          ///< waiting although ComfyUI runs nothing: its worker thread is silent
    Ms no_progress{1'200'000};  ///< running without any sign (events must arrive for this to count)
    Ms total{7'200'000};        ///< from the first send to the end of the run, resubmissions included
    Ms unreachable{180'000};    ///< ComfyUI does not answer while a job waits for it
    Ms cancel{8'000};      ///< until a cancelled prompt is out of ComfyUI; then it is watched without the job
    Ms upload{600'000};    ///< one input file to ComfyUI
    Ms download{600'000};  ///< one output file from ComfyUI
};

/// Files that a payload names and that are fetched or decoded before the run.
struct InputRules {
    std::uint64_t max_bytes = 200ull << 20;  ///< each file
    Ms timeout{60'000};                      ///< one file: all tries and redirects
    Ms silence{30'000};                      ///< its source gives no byte for so long
    static constexpr int max_redirects = 5;
    bool allow_private = false;  ///< http(s) URLs to loopback, private and link-local addresses
};

/// What becomes of the files of results; where they go is the worker's to say. A job's `outputs` may override what is
/// harmless (see README).
struct OutputSettings {
    /// What a client puts before /view to reach ComfyUI; empty: the address that we use ourselves.
    std::string reference_base_url;
    /// All inline files and texts of a job, before base64; unset: what fits into the Hub's messages.
    std::optional<std::uint64_t> inline_max_bytes;
    std::uint64_t max_file_bytes = 4ull << 30;  ///< one file
    bool temp = false;                          ///< previews (type temp) too
    bool strip_metadata = false;                ///< take the workflow and other metadata out of files
};

struct PreviewSettings {
    bool enabled = false;
    Ms interval{1'000};
    std::uint64_t max_bytes = 128ull << 10;
};

struct Settings {
    Url server;
    std::map<std::string, std::string> headers;  ///< on HTTP and WebSocket, Authorization included
    bool verify_tls = true;
    std::string ca_file;
    bool websocket = true;  ///< false: poll only (a proxy that cannot pass WebSockets)
    /// Classes of nodes that send one picture over the WebSocket with each step of their progress bar.
    std::vector<std::string> websocket_nodes{"SaveImageWebsocket"};

    std::string job_type = "comfyui";
    /// Put into each job's extra_data unless it brings one; paid nodes ask for it. A secret.
    std::string api_key_comfy_org;
    int concurrency = 1;
    std::string
        prompt_namespace;  ///< part of every prompt id; empty: derived from the worker and the state folder
    bool allow_partial = false;  ///< run a prompt of which ComfyUI refused some outputs
    bool preflight = false;      ///< compare the graph with /object_info before sending it
    int max_resubmissions = 1;   ///< of a lost prompt

    Limits limits;
    Ms poll_interval{3'000};
    Ms status_interval{5'000};
    static constexpr Ms capabilities_interval{600'000};  ///< at the soonest, and only while no job runs
    Ms stuck_timeout{300'000};  ///< a withdrawn prompt runs on so long: ComfyUI's worker thread is dead
    Ms orphan_grace{90'000};    ///< a prompt of ours that no job waited for so long is removed

    InputRules inputs;
    OutputSettings outputs;
    PreviewSettings previews;

    std::string comfyui_folder;  ///< its base folder if it is on this machine: clean-up, disk guard, copies
    std::uint64_t min_free_bytes =
        1ull << 30;  ///< below this on the disk of comfyui_folder or of the work folder no jobs are taken
    bool delete_delivered = false;  ///< remove output files from comfyui_folder once they are fetched
    /// Prefix filename_prefix of save nodes with a sub-folder of the job's own. Not set: with comfyui_folder.
    std::optional<bool> output_subfolder;
    bool own_output_folder() const { return output_subfolder.value_or(!comfyui_folder.empty()); }

    std::vector<std::string> warnings;  ///< about settings that were not taken as given
};

/// Reads the settings. Unknown keys, wrong types and impossible combinations are errors that name the key and
/// what it may be.
/// `variables`: the names of all that are set, of which those that set nothing are warned of. `connector`: its name,
/// whose variables win (COMFYUI2_HOST for `[connectors.comfyui2]`).
Result<Settings> load_settings(const Json& settings, const EnvLookup& environment,
                               std::vector<std::string> variables = {}, std::string connector = {});

}  // namespace emprops::comfyui
