#pragma once
// Where an encoder's bytes go: a descriptor, in pieces of bounded size. One owner, one thread; blocking.

#include <cstdint>
#include <string>
#include <string_view>

namespace emprops::convert {

class Sink {
  public:
    explicit Sink(int descriptor) : descriptor_(descriptor) {}

    /// False: it cannot be written, now and from now on.
    bool write(std::string_view bytes);
    bool flush();
    std::uint64_t size() const { return size_; }
    /// Why it could not be written; empty: it could.
    const std::string& error() const { return error_; }

  private:
    bool put(std::string_view bytes);

    int descriptor_;
    std::string held_;
    std::uint64_t size_ = 0;
    std::string error_;
};

}  // namespace emprops::convert
