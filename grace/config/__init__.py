"""What a user writes, checked once: command line and YAML in, settings and a study out."""
