#include "connectors/stores/kinds/inline.h"

#include "connectors/stores/cargo/reader.h"
#include "ipc/text/people.h"
#include "ipc/web/base64.h"

namespace emprops::stores {
namespace {

class Inline : public Store {
  public:
    explicit Inline(std::uint64_t most) : most_(most) {}

    Outcome bring(const Cargo& cargo) override {
        if (cargo.descriptor < 0) return NotHere{"there is only its address"};
        if (cargo.size > most_)
            return NotHere{
                "it has " + exact_bytes(cargo.size) + ", and a result has room for " + exact_bytes(most_),
                "deliver to a store such as s3 or directory"};
        std::string bytes;
        const auto read = read_file(cargo.descriptor, 0, cargo.size, [&](std::string_view piece) {
            bytes += piece;
            return true;
        });
        if (!read.ok())
            return Setback{"cannot read \"" + cargo.name + "\": " + read.error().message, false, Ms{0},
                           Trouble::disk};
        return Placed{{{"data", web::base64_encode(bytes)}}};
    }

  private:
    const std::uint64_t most_;
};

}  // namespace

std::unique_ptr<Store> make_inline(std::uint64_t most) {
    return std::make_unique<Inline>(most);
}

}  // namespace emprops::stores
