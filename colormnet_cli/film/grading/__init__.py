"""Color that is kept in a file, put on its film again, and freed of flicker."""
