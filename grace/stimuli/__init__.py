"""A CSV in, checked trials out; material files in, a CSV of stimuli out."""
