#pragma once
// A place where files are kept, and what one try to bring one file there can end with. The functions make_*() of kinds/
// give one store each, for one job: it keeps the names that it gave and what a large upload has reached, so that the
// next try goes on from there. Blocking, on one thread. Who asks which store when, and again, is the caller's
// (tries.h; the courier).

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "connectors/stores/http/client.h"
#include "connectors/stores/names/key_template.h"
#include "connectors/stores/tries.h"

namespace emprops::stores {

using Json = nlohmann::json;

/// A file that is to be brought to a store.
struct Cargo {
    int descriptor = -1;  ///< open for reading, the caller's; below zero: there is only `url`
    std::uint64_t size = 0;
    std::string sha256;     ///< lowercase hexadecimal
    std::string name;       ///< for people, and the last part of the key
    std::string mime_type;  ///< never empty
    std::string url{};      ///< where a service serves it
    Values values{};        ///< for key templates
    std::string owner{};    ///< which of the job's files it is: it keeps its key, whatever others are called
};

/// What a store needs of its job; all of it outlives the store.
struct Road {
    HttpClient& http;
    std::function<bool()> cancelled;  ///< asked about once a second while bytes move or are waited for
    std::function<void(std::uint64_t)>
        moved;            ///< bytes of the file that are on their way in this try; may be empty
    bool repeat = false;  ///< an earlier process may have left something behind for this very file
    /// Called with what take_back() needs, before the first byte of an upload goes that the server would keep half done;
    /// may be empty.
    std::function<void(const Json&)> begun{};
    /// Who the file is of, where its job has chosen the key: what others have there is not replaced, and this is noted at
    /// the object. Empty: the key is the operator's, and tells jobs apart.
    std::string claim{};
};

/// For people: what the store is called, and the settings that say where it is, what opens it and whom it trusts.
struct Words {
    std::string by;
    std::string address;
    std::string access;
    std::string ca = "ca_file";
};

struct Placed {
    Json entry = Json::object();  ///< what the result says of the place: data, url, path, ...
};
/// It is no store for this file.
struct NotHere {
    std::string why;
    std::string cure{};  ///< what can be done about it; empty: nothing here
};
/// What kind of thing stands in the way.
enum class Trouble {
    store,          ///< it is away, or says no
    access,         ///< it does not take our credentials
    too_large,      ///< for the store
    disk,           ///< of this machine
    configuration,  ///< a setting cannot be right
};
/// It did not work this time.
struct Setback {
    std::string
        message;  ///< what was tried, why it failed, what to do; without query or credentials of an address
    bool passing = false;  ///< the same once more may work
    Ms wait{0};            ///< the store asks not to come before this is over
    Trouble trouble = Trouble::store;
};
inline Told told(Setback& setback) {
    return {setback.message, setback.passing, setback.wait};
}
using Outcome = std::variant<Placed, NotHere, Setback>;

class Store {
  public:
    virtual ~Store() = default;
    /// One try.
    virtual Outcome bring(const Cargo& cargo) = 0;
    /// No further try follows for this file, and it is not there, or with bytes that are not its own: takes back what
    /// can be. Blocks for a few seconds at most, also when the job was cancelled.
    virtual void give_up() {}
    /// Removes what an earlier process told by Road::begun and did not finish. True: nothing of it is there any more.
    /// Blocks for a few seconds at most.
    virtual bool take_back(const Json& begun) {
        static_cast<void>(begun);
        return false;
    }
};

}  // namespace emprops::stores
