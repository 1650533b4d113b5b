"""The networks, a folder each, and what they share: `state_dict` fills any of them from its authors' checkpoint."""
