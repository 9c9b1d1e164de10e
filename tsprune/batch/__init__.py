"""Run the notebooks of a profile."""
