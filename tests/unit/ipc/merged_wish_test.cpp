// What a job says of a picture's form, over what the operator says.

#include <gtest/gtest.h>

#include "ipc/convert_wish.h"

namespace emprops::ipc {
namespace {

TEST(MergedWish, WhatTheNearerOneDoesNotSayOfAPictureIsTheGeneralOnes) {
    const ConvertWish general{ImageWish{"webp", 80, 2000, false}, {}, {}};
    const auto image = [&](ImageWish nearer) { return *merged({nearer, {}, {}}, general).image; };
    EXPECT_EQ(image({"", {}, 1024, {}}), (ImageWish{"webp", 80, 1024, false})) << "metadata still have to go";
    EXPECT_EQ(image({"", {}, {}, true}), (ImageWish{"webp", 80, 2000, true})) << "unless it says so";
    EXPECT_EQ(image({"webp", 50, {}, {}}), (ImageWish{"webp", 50, 2000, false}));
    EXPECT_EQ(image({"png", {}, {}, {}}), (ImageWish{"png", {}, 2000, false})) << "a quality is its format's";
    const ConvertWish nearer{ImageWish{"png", {}, {}, {}}, {}, {}};
    EXPECT_EQ(merged(nearer, {}), nearer);
}

}  // namespace
}  // namespace emprops::ipc
