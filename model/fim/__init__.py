"""Fill in the middle: which documents are cut, where, and how the pieces are put; and the way back."""
