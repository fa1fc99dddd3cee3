"""Token shards: the tokens of one or several releases on disk, mapped by training; built, verified, and followed by opt-outs."""
