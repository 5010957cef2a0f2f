"""Instances at work: the hands of the scheduler, and all that an instance says and gets."""
