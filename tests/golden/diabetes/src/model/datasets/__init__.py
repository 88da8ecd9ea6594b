"""The data set this project started with."""
