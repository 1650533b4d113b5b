"""The networks, a folder each, and what they share: `state` fills any of them from its authors' checkpoint."""
