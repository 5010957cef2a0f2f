"""Given with the exercise `anywhere`."""
