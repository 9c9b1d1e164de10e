"""Study 06: what is pruning worth in time and memory?"""
