// Whether this build has AddressSanitizer, for the preprocessor (a test that cannot exist with it) and for code.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define EMPROPS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMPROPS_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef EMPROPS_ADDRESS_SANITIZER
#define EMPROPS_ADDRESS_SANITIZER 0
#endif

namespace emprops::test {

inline constexpr bool address_sanitizer = EMPROPS_ADDRESS_SANITIZER == 1;

}  // namespace emprops::test
