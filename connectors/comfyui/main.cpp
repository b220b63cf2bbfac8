#include "connectors/comfyui/comfyui.h"

int main() {
    emprops::comfyui::ComfyUi connector;
    return emprops::run_connector(connector);
}
