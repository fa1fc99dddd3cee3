"""Training: a TOML file in, checkpoints that can be resumed, reproduced and accounted for out."""
