"""From results to a paper: tables, statistics, figures and a page, made from what the experiments left."""
