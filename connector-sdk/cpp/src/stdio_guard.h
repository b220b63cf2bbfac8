#pragma once
// Keeps the protocol's descriptors out of everybody's reach: stray prints on stdout (of any library) become
// log lines on stderr, and a program that the connector starts can neither print into the protocol nor
// swallow the supervisor's lines. Call once, before other threads exist.

#include <string>

namespace emprops::sdk {

struct ProtocolDescriptors {
    int in = -1;
    int out = -1;
    std::string error;  // not empty: why it did not work
};

/// Moves stdin and stdout to private close-on-exec descriptors; 0 becomes /dev/null, 1 becomes 2.
ProtocolDescriptors take_stdio();

}  // namespace emprops::sdk
