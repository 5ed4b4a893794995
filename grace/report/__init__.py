"""The report of a run: one HTML file that says what was asked, what came out, what to doubt."""
