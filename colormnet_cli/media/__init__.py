"""Images, clips and exemplars: what is read from files other than the film that is colorized."""
