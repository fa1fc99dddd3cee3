"""How a release's files become documents for training: pure functions, one module for each format."""
