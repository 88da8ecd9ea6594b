"""Rows in and rows out: data assets, production rows and their labels, scoring, collected rows."""
