"""Which pass of the network colors which frame: the schedule of a film, and what carries it out."""
