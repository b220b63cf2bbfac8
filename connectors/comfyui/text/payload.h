#pragma once
// What a job asks for, read out of its payload (payload_form.h): the graph as text that is sent on byte for byte
// (seeds above 2^53, 1.10, key order), its nodes, the input files to upload first, and the wishes about outputs. Pure.

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/comfyui/settings.h"
#include "connectors/comfyui/text/payload_files.h"
#include "ipc/result.h"

namespace emprops::comfyui {

/// One node of the graph.
struct Node {
    std::string id;
    std::string class_type;
    std::string title;                 ///< _meta.title, else the class
    std::vector<std::string> sources;  ///< ids of the nodes that its inputs are linked to
};

/// What a job may say about its outputs; nothing set: the connector's settings hold.
struct OutputWishes {
    std::optional<std::vector<std::string>> deliver;
    std::optional<bool> temp;
    std::optional<bool> strip_metadata;
    std::optional<std::uint64_t> inline_max_bytes;  ///< can only lower the setting
    std::vector<std::string> nodes;                 ///< only files of these nodes; empty: all
    std::vector<std::string> destination_nodes;     ///< that `to` names, which else is the worker's to read
};

struct Payload {
    std::string graph_text;       ///< JSON object, as it came
    std::string extra_data_text;  ///< JSON object, as it came; "{}" if there was none
    std::vector<Node> nodes;
    std::vector<InputFile> inputs;
    std::vector<InputFile> fields;  ///< what may be files; see read_fields()
    OutputWishes outputs;
    std::optional<bool> allow_partial;
    std::vector<std::string> targets;  ///< partial_execution_targets; empty: the whole graph
    std::vector<std::string> notes;    ///< what was not read or not used, for people
};

/// Code "invalid_payload" in every Error; the message names the node and the reason.
Result<Payload> read_payload(std::string_view text);

/// Puts `names[key]` as a JSON string wherever {"$input": key} stands in the graph; every other byte stays.
/// Error "invalid_payload" for a key without a name.
Result<std::string> substitute_inputs(std::string_view graph_text,
                                      const std::map<std::string, std::string>& names);

/// Puts these texts into their places; every other byte stays.
std::string with_values(std::string_view graph_text, const std::map<InputPlace, std::string>& values);

/// Puts "folder/" before the filename_prefix of nodes that save results (class Save..., VHS_VideoCombine; not
/// those that save models), so that a job's files lie in a folder of its own; every other byte stays.
std::string with_output_folder(std::string_view graph_text, const std::vector<Node>& nodes,
                               const std::string& folder);

/// Puts an input that no node knows into these nodes: ComfyUI ignores it when it runs them, but its cache
/// does not answer. Every other byte stays.
std::string with_fresh_input(std::string_view graph_text, const std::set<std::string>& nodes,
                             const std::string& value);

/// The keys that a graph asks for with {"$input": key}, each once.
std::vector<std::string> wanted_inputs(std::string_view graph_text);

/// What extra_data gets besides what the payload has.
struct ExtraData {
    Json mark;                       ///< "emprops", so that a connector knows its own prompts again
    Json defaults = Json::object();  ///< where the payload does not say it
};

/// The body of POST /prompt.
std::string prompt_body(std::string_view graph_text, const Payload& payload, const std::string& client_id,
                        const std::string& prompt_id, const ExtraData& extra);

/// A name for the shape of a graph: classes and links, not constants. Graphs of one shape take similar time.
std::string graph_shape(const std::vector<Node>& nodes);

}  // namespace emprops::comfyui
