"""How good colours are: results measured against references, a benchmark coloured and measured, results side by side.

`evaluate` and `benchmark` say where frames come from, `flows` batches them, `meter` measures a clip, `report` shows it;
`compare` writes a film to look at, with a `wall` of pictures in each frame.
"""
