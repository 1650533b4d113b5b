"""Color on tensors: Lab, planes of Y'CbCr, resizing, the gamut, and the orientation of a film's frames."""
