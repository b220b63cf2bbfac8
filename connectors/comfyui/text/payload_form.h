#pragma once
// Which of the forms that people send a payload has: where its graph lies, and what lies beside it. The graph may
// be the payload itself, or under one of a few names, as an object or as JSON in a text, and all of that may be
// wrapped once more ("input", as RunPod's workers take it). Pure.

#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/envelope.h"
#include "ipc/result.h"

namespace emprops::comfyui {

using Json = nlohmann::json;

class PayloadForm {
  public:
    /// Error "invalid_payload": there is no graph; the message says what there was.
    static Result<PayloadForm> find(std::string_view text);

    /// The graph in API format as it came, byte for byte, and parsed.
    const std::string& graph_text() const { return graph_text_; }
    const Json& graph() const { return graph_; }
    /// The editor's own form of the workflow that lies beside the graph; empty: none.
    const std::string& editor_text() const { return editor_text_; }
    /// A member beside the graph, or beside what wraps it; a text that holds JSON is what it holds. nullopt: there
    /// is none, or it is null.
    std::optional<std::string> member(std::string_view key) const;
    /// Whether that is a member of the payload itself, and an object as it stands.
    bool is_own_object(std::string_view key) const;
    /// Names of members that nobody reads.
    std::vector<std::string> unread() const;

    PayloadForm(PayloadForm&&) = default;
    PayloadForm& operator=(PayloadForm&&) = default;

  private:
    PayloadForm() = default;
    struct Level {
        ipc::Envelope envelope;
        std::set<std::string, std::less<>> used;
        bool bare = false;  // it is the graph itself
    };

    bool look(std::string text, int depth);
    bool take_graph(Level& level);
    bool unwrap(std::size_t at, int depth);
    Error nothing_found() const;

    std::deque<std::string> texts_;  // what the levels' views point into
    std::deque<Level> levels_;       // outermost first
    std::string graph_text_, editor_text_;
    Json graph_;
    // What to say where no graph is found.
    std::string broken_, editor_at_;
    std::vector<std::string> seen_, names_;
    std::optional<std::string> perhaps_;  // an object in the place of a graph
};

/// The value of a part of a payload; null where it is none. Python writes half a character as "\ud83d", and such text
/// is sent on byte for byte; here it is only read.
Json parse_part(std::string_view text);
/// Whether `value` is a node of a graph in API format.
bool is_node(const Json& value);

}  // namespace emprops::comfyui
