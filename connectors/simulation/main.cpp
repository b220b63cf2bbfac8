#include "connectors/simulation/simulation.h"

int main() {
    emprops::simulation::Simulation simulation;
    return emprops::run_connector(simulation);
}
