"""From recordings to log-mel frames, windows of frames, and the store that keeps them."""
