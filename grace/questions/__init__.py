"""A trial and a study in, queries out; the text of an answer in, its fields out (parsing)."""
