"""Hostile inputs for every reader, and the guard that watches them read."""
