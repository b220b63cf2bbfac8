// A connector whose jobs make files: it paints, frees the GPU for the next job, writes the picture into the job's
// folder and lets the worker deliver it.
#include <emprops/connector.h>

#include <fstream>

class Painter : public emprops::Connector {
  public:
    std::string name() const override { return "painter"; }
    std::vector<std::string> job_types() const override { return {"paint"}; }

    emprops::Json process_job(const emprops::Job& job, emprops::JobContext& context) override {
        const std::string pixels = "255 0 0";  // here the GPU would work
        context.release();                     // from now on the next job runs
        std::ofstream(job.work_dir + "/red.ppm") << "P3 1 1 255  " << pixels << "\n";

        emprops::OutputFile picture;
        picture.path = "red.ppm";
        picture.mime_type = "image/x-portable-pixmap";
        return {{"status", "success"}, {"picture", context.add_file(picture)}};
    }
};

int main() {
    Painter painter;
    return emprops::run_connector(painter);
}
