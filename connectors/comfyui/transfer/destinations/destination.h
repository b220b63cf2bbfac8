#pragma once
// One place where a job's files may go, as a function: it tries once to bring a file there, or says why it is not the
// destination for this file. The functions make*() of this folder give one each, with a state for one job;
// delivery.cpp asks them in the order of `deliver`, and again where that may help. On the job's thread, blocking.

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "connectors/comfyui/text/failure.h"
#include "connectors/comfyui/text/outputs.h"

namespace emprops::comfyui {

/// A file that is to be delivered, and lies on this machine.
struct Cargo {
    OutputFile file;
    std::string path;
    std::uint64_t size = 0;
    std::string sha256;
    bool in_comfyui = false;                                    ///< ComfyUI has the same one
    std::vector<std::pair<std::string, std::string>> values{};  ///< for templates
};

struct Placed {
    Json entry = Json::object();  ///< what the result says of the place: data, url, path, ...
    std::string local_only{};     ///< not empty: not everybody can open the link; the reason, for people
};
/// It is not the destination for this file.
struct Spilled {
    std::string why;
    std::string cure{};  ///< what can be done about it; empty: nothing here
};
using Placement = std::variant<Placed, Spilled, Setback>;
using Destination = std::function<Placement(const Cargo&)>;

}  // namespace emprops::comfyui
