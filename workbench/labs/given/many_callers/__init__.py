"""Given with the exercise `many_callers`."""
