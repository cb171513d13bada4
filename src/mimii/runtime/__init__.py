"""Processes, logs, and measurement that nothing disturbs."""
