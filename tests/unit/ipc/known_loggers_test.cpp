#include "ipc/known_loggers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace emprops::ipc {
namespace {

TEST(KnownLoggers, LevelTextAndTheOtherFieldsAreRead) {
    const struct {
        const char* logger;
        const char* line;
        const char* level;
        const char* text;
        const char* fields;
    } rows[] = {
        {"pino", R"({"level":30,"time":1764435600000,"pid":7,"hostname":"gpu","msg":"m"})", "info", "m",
         "null"},
        {"pino's own level", R"({"level":35,"time":1,"msg":"m"})", "info", "m", "null"},
        {"bunyan", R"({"name":"app","hostname":"h","pid":1,"level":60,"msg":"m","time":"t","v":0})", "error",
         "m", R"({"name":"app"})"},
        {"zap", R"({"level":"dpanic","ts":1.5,"caller":"a.go:1","msg":"m"})", "error", "m",
         R"({"caller":"a.go:1"})"},
        {"zerolog", R"({"level":"warn","time":1,"message":"m"})", "warn", "m", "null"},
        {"structlog", R"({"event":"step 3 of 20","level":"info","timestamp":"t","step":3})", "info",
         "step 3 of 20", R"({"step":3})"},
        {"python-json-logger", R"({"message":"m","levelname":"WARNING","asctime":"t"})", "warn", "m", "null"},
        {"logrus", R"({"level":"panic","msg":"m","time":"t"})", "error", "m", "null"},
        {"slog", R"({"time":"t","level":"DEBUG-4","msg":"m","a":1})", "debug", "m", R"({"a":1})"},
        {"tracing", R"({"timestamp":"t","level":"INFO","fields":{"message":"m","a":1},"target":"x"})", "info",
         "m", R"({"a":1,"target":"x"})"},
        {"Google Cloud", R"({"severity":"NOTICE","message":"m"})", "info", "m", "null"},
    };
    for (const auto& row : rows) {
        const auto log = known_logger(Json::parse(row.line));
        ASSERT_TRUE(log) << row.logger;
        EXPECT_EQ(log->level, row.level) << row.logger;
        EXPECT_EQ(log->message, row.text) << row.logger;
        EXPECT_EQ(log->fields, Json::parse(row.fields)) << row.logger;
    }
}

TEST(KnownLoggers, OtherObjectsAreNone) {
    for (const char* line :
         {R"({})", R"([])", R"({"level":30})", R"({"msg":"m"})", R"({"level":3,"msg":"m"})",
          R"({"level":"high","msg":"m"})", R"({"level":30,"msg":5})", R"({"level":true,"msg":"m"})",
          R"({"level":30.5,"msg":"m"})", R"({"level":-30,"msg":"m"})"})
        EXPECT_FALSE(known_logger(Json::parse(line))) << line;
}

}  // namespace
}  // namespace emprops::ipc
