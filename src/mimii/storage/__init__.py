"""Files that are whole or absent, their names, and the results table."""
