#include "ipc/web/digest.h"

#include <gtest/gtest.h>

namespace emprops {
namespace {

TEST(Digest, KnownVectors) {
    EXPECT_EQ(md5_hex(""), "d41d8cd98f00b204e9800998ecf8427e");
    EXPECT_EQ(md5_hex("abc"), "900150983cd24fb0d6963f7d28e17f72");
    EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, RandomHexHasTheLengthAskedForAndDiffers) {
    EXPECT_EQ(random_hex(8).size(), 8u);
    EXPECT_EQ(random_hex(7).size(), 7u);
    EXPECT_NE(random_hex(16), random_hex(16));
}

}  // namespace
}  // namespace emprops
