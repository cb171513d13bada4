"""Baselines for anomalous machine sounds: what the scripts in ``src/`` share.

Data flow, one module an arrow::

    recordings -> log-mel frames -> windows -> model -> a score for each recording -> a row of metrics
"""
