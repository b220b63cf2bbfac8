#include "supervisor/base/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "supervisor/base/log_format.h"
#include "supervisor/base/log_writer.h"
#include "supervisor/base/privacy.h"

namespace emprops {
namespace {

thread_local LogFields current_fields;

std::string_view level_name(spdlog::level::level_enum level) {
    static constexpr std::string_view names[] = {"trace", "debug", "info", "warn"};
    return level < spdlog::level::err ? names[level] : "error";
}

/// Formats in the calling thread (the fields are its own) and hands the line to the writer thread.
class LineSink : public spdlog::sinks::base_sink<std::mutex> {
  public:
    /// Never waits, whatever state the terminal is in: lines that are queued keep their place and their
    /// format.
    void open(bool json, std::shared_ptr<const LogWriter::Targets> targets) {
        const std::lock_guard lock(mutex_);
        json_ = json;
        targets_ = std::move(targets);
        if (writer_) writer_->set_targets(targets_);
    }
    void close() {
        const std::lock_guard lock(mutex_);
        writer_.reset();
    }

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        const LogRecord record{message.time, level_name(message.level),
                               std::string_view(message.logger_name.data(), message.logger_name.size()),
                               std::string_view(message.payload.data(), message.payload.size()),
                               current_fields};
        if (!writer_) writer_ = std::make_unique<LogWriter>(targets_, LogWriter::Limits{});
        writer_->push(json_ ? format_json(record) : format_text(record));
    }
    void flush_() override {
        if (writer_) writer_->flush(1000);
    }

  private:
    bool json_ = false;
    std::shared_ptr<const LogWriter::Targets> targets_ =
        std::make_shared<LogWriter::Targets>(std::vector<int>{STDERR_FILENO}, std::vector<int>{});
    std::unique_ptr<LogWriter> writer_;
};

struct Logging {
    std::shared_ptr<LineSink> sink = std::make_shared<LineSink>();
    config::LogSettings settings;
    std::map<std::string, std::shared_ptr<spdlog::logger>, std::less<>> loggers;
};

Logging& logging() {
    static Logging instance;
    return instance;
}

/// "connector.comfyui" takes its own level, else that of "connector", else the general one.
spdlog::level::level_enum level_of(const config::LogSettings& settings, std::string_view component) {
    auto found = settings.levels.find(std::string(component));
    if (found == settings.levels.end())
        found = settings.levels.find(std::string(component.substr(0, component.find('.'))));
    const std::string& name = found == settings.levels.end() ? settings.level : found->second;
    return spdlog::level::from_str(name == "warn" ? "warning" : name);
}

}  // namespace

Result<> setup_logging(const config::LogSettings& settings) {
    Logging& state = logging();
    std::vector<int> descriptors{STDERR_FILENO};
    std::vector<int> owned;
    if (!settings.file.empty()) {
        // /dev/stdout and its like are links.
        constexpr int flags = O_WRONLY | O_CREAT | O_APPEND;
        const int file = settings.file.string().starts_with("/dev/")
                             ? ::open(settings.file.c_str(), flags | O_CLOEXEC, 0640)
                             : open_own_file(settings.file, flags, 0640);
        if (file < 0) {
            return Error{"log_file", fmt::format("cannot open log.file {}: {}", settings.file.string(),
                                                 open_problem(errno))};
        }
        descriptors.push_back(file);
        owned.push_back(file);
    }
    state.settings = settings;
    state.sink->open(settings.format == "json",
                     std::make_shared<LogWriter::Targets>(std::move(descriptors), std::move(owned)));
    for (auto& [name, existing] : state.loggers)
        existing->set_level(level_of(settings, name));
    return Ok{};
}

void close_logging() {
    logging().sink->close();
}

std::shared_ptr<spdlog::logger> logger(std::string_view component) {
    Logging& state = logging();
    const auto found = state.loggers.find(component);
    if (found != state.loggers.end()) return found->second;
    auto created = std::make_shared<spdlog::logger>(std::string(component), state.sink);
    created->set_level(level_of(state.settings, component));
    state.loggers.emplace(component, created);
    return created;
}

LogContext::LogContext(LogFields fields) : previous_(std::move(current_fields)) {
    current_fields = std::move(fields);
}

LogContext::~LogContext() {
    current_fields = std::move(previous_);
}

}  // namespace emprops
