"""What files import: the statements in their texts, and the files of the same repository that these mean."""
