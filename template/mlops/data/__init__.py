"""Data assets, production rows and their labels, scoring, and collected rows."""
