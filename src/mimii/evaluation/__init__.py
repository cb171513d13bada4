"""How well a model does and what it costs: metrics, scores of recordings, thresholds, efficiency."""
