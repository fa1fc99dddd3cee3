"""Byte-level BPE: tokenizers that are trained here or come from StarCoder and StarCoder2, and the compiled encoder of them."""
