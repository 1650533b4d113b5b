"""A film on several devices or machines: its shots are distributed to workers, the finished segments are joined.

`colorize_with_workers` is the function; `DistributedRun` distributes the shots, a team of processes (`process_team`) or
of Ray actors (`ray_team`) colors them, each worker with a `UnitWorker`.
"""
