"""Recordings: where they lie, what their paths say, how they are split, read, made, downloaded and checked."""
