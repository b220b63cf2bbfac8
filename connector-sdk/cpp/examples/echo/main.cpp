// A complete connector: it sends each job's payload back. Build it against the SDK, put the executable beside
// emprops-worker (or name it in the configuration), and it serves jobs of type "echo".
#include <emprops/connector.h>
#include <emprops/settings.h>

#include <chrono>

struct Settings {
    std::chrono::milliseconds delay{0};
};

/// WORKER_ECHO_DELAY or ECHO_DELAY, else `delay` under [connectors.echo.settings]: "500ms", "2s", or seconds.
const emprops::SettingRows<Settings> rows{
    emprops::row(&Settings::delay, "delay", "How long each job waits.").within(0, 3600)};

class Echo : public emprops::Connector {
  public:
    std::string name() const override { return "echo"; }
    std::string version() const override { return "1.0.0"; }
    std::vector<std::string> job_types() const override { return {"echo"}; }
    int concurrency() const override { return 4; }

    void initialize(const emprops::ConnectorSettings& settings, emprops::ConnectorContext&) override {
        emprops::read_rows(rows, settings.settings, {.variables = "ECHO_"}, settings_);
    }

    emprops::Json process_job(const emprops::Job& job, emprops::JobContext& context) override {
        context.progress(50, "half way");
        if (context.wait_cancelled(settings_.delay))
            throw emprops::JobFailure("cancelled", context.cancel_reason());
        return {{"status", "success"}, {"output", job.payload()}};
    }

  private:
    Settings settings_;
};

int main() {
    Echo echo;
    return emprops::run_connector(echo);
}
