"""From token shards to rows for training: mixture, order, best-fit packing, and an account of what was drawn."""
