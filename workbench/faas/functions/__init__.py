"""What there is: functions with their versions, code and layers, and where all of it is kept."""
