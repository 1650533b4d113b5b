"""A package, so that `python -m tests.gpu` finds it: other packages install a `tests` of their own."""
