package enum SimulationPlaceholder {}
