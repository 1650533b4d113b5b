"""Running a network over one film: the colorizer and its memory, devices, CUDA graphs, and what a frame costs."""
