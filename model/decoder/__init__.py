"""The decoder: StarCoder's two architectures in one module, their checkpoints, attention paths and loss."""
