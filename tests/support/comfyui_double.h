#pragma once
// A stand-in for ComfyUI: HTTP and WebSocket on 127.0.0.1, one worker that runs one prompt at a time, a queue
// and a history, in the order that the recordings show: events, then (later) the history entry, then the
// executing-null message. What each prompt does is a script, made by hand or out of a recording, with faults.
// Runs on a thread of its own; all functions are for the test's thread.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/comfyui_recording.h"

namespace emprops::test {

/// What one POST /prompt leads to. "$ID" in messages and history stands for the prompt's id.
struct ComfyScript {
    struct Message {
        std::chrono::milliseconds at{0};  ///< after the prompt began to run
        std::string text;                 ///< a text frame to the owner's sockets
        std::string binary;               ///< or a binary one
    };
    long status = 200;
    std::string answer;             ///< body of an answer that is not 200; of a 200: extra node_errors
    std::vector<Message> messages;  ///< up to and with execution_success / error / interrupted
    nlohmann::json history;         ///< null: never ends (until it is interrupted)
    std::chrono::milliseconds history_delay{0};  ///< between the last message and the entry
    /// Messages that come only after the entry, `at` counted from it, and before the end (executing null).
    std::vector<Message> late;
    bool stuck = false;  ///< an interrupt has no effect: the worker thread is dead

    // faults
    bool queued_despite_500 = false;            ///< answers 500, runs all the same
    std::chrono::milliseconds answer_delay{0};  ///< the POST is answered this much later (events come first)
    /// The prompt gets into the queue this much later, whether its sender is still there or not.
    std::chrono::milliseconds accept_delay{0};
    std::optional<std::chrono::milliseconds> drop_sockets_at;  ///< all sockets are reset
    std::optional<std::chrono::milliseconds> forget_at;        ///< the prompt vanishes without a trace
    std::optional<std::chrono::milliseconds> die_at;           ///< the process ends ...
    std::chrono::milliseconds back_after{500};                 ///< ... and is back, empty, after this
};

/// A small prompt that ends well: EmptyImage "1", SaveImage "2", with this output.
ComfyScript good_script(const nlohmann::json& outputs);
/// The same, and node "1" fails after the output is there.
ComfyScript partly_failing_script(const nlohmann::json& outputs);
/// As recorded; recorded pauses longer than `longest_pause` are cut to it.
ComfyScript script_of(const RecordedPrompt& prompt, std::chrono::milliseconds longest_pause);
/// One that runs and says nothing until it is interrupted.
ComfyScript endless_script();

struct ComfyDoubleOptions {
    std::string version = "0.3.64";  ///< null in /system_stats when empty
    bool global_interrupt = false;   ///< as before September 2025: the id of an interrupt is ignored
    std::string authorization;       ///< what requests must carry, as behind a proxy; else 401
    bool own_ids = false;            ///< as before July 2025: prompt_id is ignored, the server makes one
    std::string view_type = "application/octet-stream";  ///< Content-Type of GET /view
    bool websocket = true;                               ///< false: the upgrade is refused with 404
    std::uint16_t port = 0;                              ///< 0: a free one
    bool jobs_api = false;                               ///< as since June 2026: POST /api/jobs/{id}/cancel
    std::uint64_t max_upload = 100ull << 20;  ///< --max-upload-size, in bytes; 0: as before /features
    /// ComfyUI's input folder on disk (comfyui_input_folder.h); empty: uploads are kept in memory, any name is taken.
    std::string input_folder;
    /// ComfyUI's base folder on disk: files in its `output` and `temp` are served with their tags, as aiohttp does. Those
    /// of set_file() win. Empty: none.
    std::string folder;
    /// On the double's thread: "post" (before the answer), "run" (begins) or "end", with the prompt's id.
    std::function<void(const std::string& what, const std::string& prompt_id)> on_prompt;
};

/// An answer that is given in place of the double's own.
struct CannedAnswer {
    unsigned status = 200;
    std::string body{};
    std::string type = "text/plain";
    std::map<std::string, std::string> headers{};
    int times = 1;  ///< so often, then the next one
};

class ComfyDouble {
  public:
    explicit ComfyDouble(ComfyDoubleOptions options = {});
    ~ComfyDouble();
    ComfyDouble(const ComfyDouble&) = delete;
    ComfyDouble& operator=(const ComfyDouble&) = delete;

    std::string url() const;
    /// For the next POST that has none yet, in order; afterwards good_script() with one file.
    void add_script(ComfyScript script);
    /// Content of an output file ("type/subfolder/filename"); a file without it has text made of its name.
    void set_file(const std::string& path, std::string content);
    void remove_file(const std::string& path);  ///< /view answers 404
    void set_object_info(nlohmann::json info);
    void fail_uploads(int number);  ///< so many are answered with 503
    /// For requests that begin so ("POST /prompt", "GET /history/", "PUT /"), in the order of the calls. What they
    /// ask for is not done.
    void answer(const std::string& request, CannedAnswer answer);
    void answer_itself();                       ///< the double answers all requests by its own rules again
    std::vector<std::string> requests() const;  ///< "GET /view?filename=a.png", all of them in order
    /// Somebody else's prompt that runs until it is interrupted.
    void run_foreign(const std::string& prompt_id);
    /// The process ends and is back, empty, after `back_after`.
    void die(std::chrono::milliseconds back_after);
    void drop_sockets();

    // What happened so far:
    std::vector<nlohmann::json> posts() const;       ///< bodies of POST /prompt
    std::vector<std::string> post_texts() const;     ///< the same, byte for byte
    std::vector<nlohmann::json> interrupts() const;  ///< bodies of POST /interrupt
    std::vector<nlohmann::json> deletes() const;     ///< bodies of POST /queue
    std::vector<std::string> job_cancels() const;    ///< ids of POST /api/jobs/{id}/cancel
    int frees() const;
    int unchanged() const;  ///< GET /view that were answered with 304: the asker has the file
    struct Upload {
        std::string filename, subfolder, overwrite, type, content;
    };
    std::vector<Upload> uploads() const;
    struct Put {
        std::string target, body;
        std::map<std::string, std::string> headers;
    };
    std::vector<Put> puts() const;  ///< PUT to any path: for http_put
    std::vector<std::string> running() const;
    /// Of the running prompt's messages, those that have been sent, whether anybody heard them or not.
    std::size_t sent_messages() const;
    std::vector<std::string> pending() const;
    int sockets() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace emprops::test
