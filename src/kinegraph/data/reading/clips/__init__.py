"""Clips, the facts that files say about them, and conventions of published files."""
