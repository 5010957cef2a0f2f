"""Files that an exercise gives the learner, copied beside the handler they write; they run inside an instance."""
