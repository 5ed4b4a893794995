"""A run's folder: made, locked, resumed, opened again, described."""
