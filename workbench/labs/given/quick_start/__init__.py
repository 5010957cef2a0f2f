"""Given with the exercise `quick_start`."""
