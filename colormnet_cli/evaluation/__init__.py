"""How good colors are: results measured against references, a benchmark colored and measured, results side by side.

`evaluate` and `benchmark` say where frames come from, `flows` batches them, `meter` measures a clip, `report` shows it;
`compare` writes a film to look at, with a `grid` of pictures in each frame.
"""
