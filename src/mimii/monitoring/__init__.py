"""A trained detector in use: it judges recordings of one machine, explains, watches a folder, and is exported."""
