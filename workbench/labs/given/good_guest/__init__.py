"""Given with the exercise `good_guest`."""
