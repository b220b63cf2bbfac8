// A complete connector: it sends each job's payload back. Build it against the SDK, put the executable beside
// emprops-worker (or name it in the configuration), and it serves jobs of type "echo".
#include <emprops/connector.h>
#include <emprops/environment.h>

#include <chrono>

class Echo : public emprops::Connector {
  public:
    std::string name() const override { return "echo"; }
    std::string version() const override { return "1.0.0"; }
    std::vector<std::string> job_types() const override { return {"echo"}; }
    int concurrency() const override { return 4; }

    void initialize(const emprops::ConnectorSettings& settings, emprops::ConnectorContext&) override {
        // WORKER_ECHO_DELAY or ECHO_DELAY, else `delay` under [connectors.echo.settings], else 0 seconds.
        delay_ = emprops::env_double("ECHO_DELAY", emprops::setting_double(settings.settings, "delay", 0),
                                     {0, 3600});
    }

    emprops::Json process_job(const emprops::Job& job, emprops::JobContext& context) override {
        context.progress(50, "half way");
        const auto wait = std::chrono::milliseconds(static_cast<long>(delay_ * 1000));
        if (context.wait_cancelled(wait)) throw emprops::JobFailure("cancelled", context.cancel_reason());
        return {{"status", "success"}, {"output", job.payload()}};
    }

  private:
    double delay_ = 0;
};

int main() {
    Echo echo;
    return emprops::run_connector(echo);
}
