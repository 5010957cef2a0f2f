"""Given with the exercise `honest_report`."""
