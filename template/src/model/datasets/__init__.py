"""The data set of this project."""
