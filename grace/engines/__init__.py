"""Engines: what turns queries into answers. To add one, see docs/extending.md."""
