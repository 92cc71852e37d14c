"""Where many inputs are judged: the seam between what is to be done for each and what does it."""
