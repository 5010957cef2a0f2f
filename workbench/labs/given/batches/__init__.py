"""Given with the exercise `batches`."""
