"""Token log-probabilities in; masses, distributions and their moments out. No engine, no study."""
