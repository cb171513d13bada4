"""From recordings to log-mel frames and samples, windows of frames, and the store that keeps them."""
