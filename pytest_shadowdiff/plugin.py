"""Hooks of pytest, a line or two each."""
