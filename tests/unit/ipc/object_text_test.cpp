// The writer of JSON objects says what nlohmann's would say.

#include "ipc/object_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace emprops::ipc {
namespace {

using Json = nlohmann::json;

std::string dumped(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

TEST(ObjectText, WritesMembersInTheOrderOfTheCalls) {
    ObjectText object;
    object.add("type", "t")
        .add("whole", -7)
        .add("large", std::numeric_limits<std::uint64_t>::max())
        .add("yes", true)
        .add("texts", std::vector<std::string>{"a", "b"})
        .add("none", std::vector<std::string>{})
        .add("json", Json{{"x", {1, nullptr}}})
        .add("null", nullptr)
        .add("known", std::optional<int>(3))
        .add("unknown", std::optional<std::string>())
        .add_if(false, "left out", 1)
        .add_or_null(false, "empty", "text")
        .add_raw("raw", "1.10");
    EXPECT_EQ(object.end(),
              R"({"type":"t","whole":-7,"large":18446744073709551615,"yes":true,"texts":["a","b"],"none":[],)"
              R"("json":{"x":[1,null]},"null":null,"known":3,"unknown":null,"empty":null,"raw":1.10})");
    EXPECT_EQ(object.end(), "{}") << "it is empty afterwards";
}

TEST(ObjectText, EveryTextComesOutAsJson) {
    for (int byte = 0; byte < 256; ++byte) {
        const std::string text = std::string("a") + static_cast<char>(byte) + "z";
        ObjectText object;
        object.add("t", text);
        EXPECT_EQ(object.end(), "{\"t\":" + dumped(text) + "}") << "byte " << byte;
    }
    for (const char* text :
         {"", "\xc3\xa9 \xe2\x80\xa8 \xf0\x9f\x98\x80", "\xc3", "\xed\xa0\x80", "\"\\/\b\f\n\r\t"}) {
        ObjectText object;
        object.add(text, text).add("list", std::vector<std::string>{text});
        EXPECT_EQ(object.end(),
                  "{" + dumped(text) + ":" + dumped(text) + ",\"list\":[" + dumped(text) + "]}");
    }
}

TEST(ObjectText, EveryNumberReadsBackAsItWas) {
    for (const double number :
         {0.0, -0.0, 1.0, 0.1, 1796049955.2777352, 1e22, 1e-7, 123456789012345680.0,
          std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min()}) {
        ObjectText object;
        object.add("n", number);
        const Json back = Json::parse(object.end())["n"];
        EXPECT_TRUE(back.is_number_float()) << number;
        EXPECT_EQ(back.get<double>(), number);
    }
    ObjectText object;
    object.add("n", std::numeric_limits<double>::infinity())
        .add("m", std::numeric_limits<double>::quiet_NaN());
    EXPECT_EQ(object.end(), R"({"n":null,"m":null})");
}

TEST(ObjectText, MayEndInOtherWays) {
    ObjectText object;
    EXPECT_EQ(object.add("a", 1).add("b", "x").members(), R"("a":1,"b":"x")");
    EXPECT_EQ(object.add("a", 1).end_before("large"), R"({"a":1,"large":)");
    EXPECT_EQ(object.add_members({{"a", 1}, {"b", "x"}}).end(), R"({"a":1,"b":"x"})");
}

}  // namespace
}  // namespace emprops::ipc
