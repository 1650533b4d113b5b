"""Colorizing films and folders of pictures: the plan, the run, and what a run needs to be resumed."""
