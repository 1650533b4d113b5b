"""Coloring a passage of a finished film again: the passage, the run, and what the receipt says of past ones."""
