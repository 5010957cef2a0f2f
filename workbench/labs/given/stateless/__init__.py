"""Given with the exercise `stateless`."""
