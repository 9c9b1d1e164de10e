"""Study 07: each claim of the two papers beside the rows that are there; it computes nothing new."""
