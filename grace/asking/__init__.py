"""Trials in; a plan, batches of prompts, and answers out."""
