#pragma once
// Pictures that travel over the WebSocket only: of the nodes that are known for it, and of those that
// announce it in their outputs ({"source": "websocket"}). Keeps them, and says whether all of them came: what
// arrived is counted against the announcement or the node's own progress, and the socket must not have been
// away while the node ran. Pure; one object per job.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connectors/comfyui/text/events.h"
#include "connectors/comfyui/text/payload.h"

namespace emprops::comfyui {

struct SocketPicture {
    std::string node;  ///< as in the graph that was sent
    std::string mime_type;
    std::string bytes;
};

/// A node of which pictures are missing.
struct MissingPictures {
    std::string node;
    std::string class_type;
    std::optional<int> expected;  ///< not known where the socket was away while it ran
    int arrived = 0;
};
/// "2 of 3 pictures of node 7 (SaveImageWebsocket)", for people.
std::string missing_text(const std::vector<MissingPictures>& missing);

/// How many pictures the outputs announce, by the node as in the graph that was sent.
std::map<std::string, int> announced_pictures(const Json& outputs, const std::vector<Node>& nodes);

class SocketPictures {
  public:
    /// `classes`: nodes that send a picture with each step of their progress bar, as SaveImageWebsocket does.
    SocketPictures(const std::vector<Node>& nodes, const std::vector<std::string>& classes,
                   std::size_t max_bytes);

    /// A known node of the graph; null: none.
    const Node* known() const;
    /// Another submission: what came of the last one is of no account.
    void restart();
    void on_socket(bool up);
    /// Something that came was dropped.
    void on_missed() { on_socket(false); }
    void on_event(const EventBody& event);
    /// `node` empty: of the one that runs. True: kept, as it may be an output.
    bool on_picture(std::string node, std::string mime_type, std::string bytes);

    /// The end of the prompt was heard: no more pictures come.
    bool over() const { return over_; }
    /// So many could not be kept: they have more than `max_bytes` together.
    int dropped() const { return dropped_; }

    /// `ran`: output nodes of the prompt; empty: not known.
    std::vector<MissingPictures> missing(const Json& outputs, const std::vector<std::string>& ran,
                                         const std::vector<std::string>& cached) const;
    /// Those that are outputs, in the order in which they came.
    std::vector<SocketPicture> take(const Json& outputs);

  private:
    struct Seen {
        bool began = false;
        bool open = false;    // it runs
        bool broken = false;  // the socket was away meanwhile
        bool announced = false;
        bool stepped = false;
        double last_step = 0, last_max = 0;
        long long steps = 0;  // of all its progress bars: a list of inputs runs it several times
    };
    std::string graph_node(const std::string& id) const;
    bool is_known(const std::string& node) const;
    bool is_wanted(const std::string& node) const;
    void begin(const std::string& node);
    void close(const std::string& node);
    void forget(const std::string& node);

    const std::vector<Node> nodes_;
    const std::set<std::string> classes_;
    const std::size_t max_bytes_;
    std::map<std::string, const Node*> by_id_;

    std::map<std::string, Seen> seen_;
    std::vector<SocketPicture> pictures_;
    std::size_t bytes_ = 0;
    int dropped_ = 0;
    std::string running_;
    bool heard_start_ = false, gap_ = false, over_ = false, states_ = false;
};

}  // namespace emprops::comfyui
