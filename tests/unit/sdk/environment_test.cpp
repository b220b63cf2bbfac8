#include "emprops/environment.h"

#include <gmock/gmock.h>

#include <cstdlib>

namespace emprops {
namespace {

using ::testing::HasSubstr;

/// Sets variables for one test.
class Environment : public ::testing::Test {
  protected:
    void set(const char* name, const char* value) {
        ::setenv(name, value, 1);
        names_.push_back(name);
    }
    void TearDown() override {
        for (const auto& name : names_)
            ::unsetenv(name.c_str());
    }
    static std::string error_of(const std::function<void()>& read) {
        try {
            read();
        } catch (const ConfigurationError& error) {
            return error.what();
        }
        return "no error";
    }

  private:
    std::vector<std::string> names_;
};

TEST_F(Environment, TheNameWithWorkerInFrontWins) {
    EXPECT_EQ(env_string("SDK_TEST", "default"), "default");
    set("SDK_TEST", "plain");
    EXPECT_EQ(env_string("SDK_TEST", "default"), "plain");
    set("WORKER_SDK_TEST", "worker");
    EXPECT_EQ(env_string("SDK_TEST", "default"), "worker");
}

TEST_F(Environment, AnEmptyVariableCountsAsSet) {
    set("WORKER_SDK_TEST", "");
    set("SDK_TEST", "plain");
    EXPECT_EQ(env_string("SDK_TEST", "default"), "");
    EXPECT_FALSE(env_bool("SDK_TEST", true));
    EXPECT_THAT(error_of([] { env_int("SDK_TEST", 5); }),
                HasSubstr("WORKER_SDK_TEST must be a whole number"));
}

TEST_F(Environment, BooleansAreReadAsTheWorkerReadsThem) {
    for (const char* yes : {"true", "TRUE", "1", "Yes", " yes ", "on"}) {
        set("SDK_TEST", yes);
        EXPECT_TRUE(env_bool("SDK_TEST", false)) << yes;
    }
    for (const char* no : {"false", "0", "OFF", "no", ""}) {
        set("SDK_TEST", no);
        EXPECT_FALSE(env_bool("SDK_TEST", true)) << no;
    }
    set("SDK_TEST", "y");
    EXPECT_THAT(error_of([] { env_bool("SDK_TEST", true); }), HasSubstr("SDK_TEST"));
}

TEST_F(Environment, NumbersAreReadWholeOrNotAtAll) {
    set("SDK_TEST", " 42 ");
    EXPECT_EQ(env_int("SDK_TEST", 0), 42);
    EXPECT_EQ(env_double("SDK_TEST", 0), 42.0);
    set("SDK_TEST", "0.25");
    EXPECT_EQ(env_double("SDK_TEST", 0), 0.25);
    for (const char* bad : {"4x", "x4", "1e", "99999999999999999999", "0.25"}) {
        set("SDK_TEST", bad);
        EXPECT_THAT(error_of([] { env_int("SDK_TEST", 0); }),
                    HasSubstr("SDK_TEST must be a whole number, not `" + std::string(bad)));
    }
    for (const char* bad : {"nan", "inf", "1,5", ""}) {
        set("SDK_TEST", bad);
        EXPECT_THAT(error_of([] { env_double("SDK_TEST", 0); }), HasSubstr("must be a number"));
    }
}

TEST_F(Environment, ARangeIsNamedInTheError) {
    set("SDK_TEST", "11");
    EXPECT_THAT(error_of([] {
                    env_int("SDK_TEST", 0, {1, 10});
                }),
                HasSubstr("SDK_TEST must be a whole number from 1 to 10, not `11`"));
    EXPECT_THAT(error_of([] { env_double("SDK_TEST", 0, {0, 1.5}); }), HasSubstr("to 1.5"));
    EXPECT_EQ(env_int("SDK_TEST", 0, {1, 11}), 11);
}

TEST(Settings, AreReadByTypeAndTheDefaultOnlyStandsInForWhatIsMissing) {
    const Json settings{{"n", 3}, {"d", 0.5}, {"s", "text"}, {"b", true}, {"nothing", nullptr}};
    EXPECT_EQ(setting_int(settings, "n", 9), 3);
    EXPECT_EQ(setting_int(settings, "missing", 9), 9);
    EXPECT_EQ(setting_int(settings, "nothing", 9), 9);
    EXPECT_EQ(setting_double(settings, "d", 9), 0.5);
    EXPECT_EQ(setting_double(settings, "n", 9), 3.0);
    EXPECT_EQ(setting_string(settings, "s", ""), "text");
    EXPECT_TRUE(setting_bool(settings, "b", false));
    EXPECT_EQ(setting_int(Json(), "n", 9), 9);
    EXPECT_THROW(setting_int(settings, "d", 0), ConfigurationError);
    EXPECT_THROW(setting_int(settings, "n", 0, {5, 9}), ConfigurationError);
    EXPECT_THROW(setting_int(Json{{"n", 18446744073709551615u}}, "n", 0), ConfigurationError);
    EXPECT_THROW(setting_double(settings, "s", 0), ConfigurationError);
    EXPECT_THROW(setting_string(settings, "n", ""), ConfigurationError);
    EXPECT_THROW(setting_bool(settings, "n", false), ConfigurationError);
}

TEST(OwnConcurrency, IsAnOldNameForTheOneInTheConfiguration) {
    ConnectorSettings given;
    given.connector = "comfyui";
    EXPECT_EQ(own_concurrency_warning(given, std::nullopt), "");
    EXPECT_NE(own_concurrency_warning(given, 2).find("write [connectors.comfyui] concurrency = 2 instead"),
              std::string::npos)
        << own_concurrency_warning(given, 2);
    given.concurrency = 4;
    EXPECT_NE(own_concurrency_warning(given, 2).find("does not count"), std::string::npos);
    EXPECT_EQ(own_concurrency_warning(given, 4), "") << "they agree";
}

}  // namespace
}  // namespace emprops
