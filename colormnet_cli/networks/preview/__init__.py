"""The extension of ColorMNet by which the preview model reads color finer than its memory from the exemplars."""
