"""Measure results against references (`evaluate`), make results and measure them (`benchmark`), or show results side by
side in a film (`compare`).

`clip_pairs` finds what belongs together, `clip_metrics` measures one clip; `tables`, `verdict`, `worst_frames` and
`report` present the results.
"""
