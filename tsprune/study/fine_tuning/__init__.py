"""Study 02: what does training on after pruning bring back, and at what cost?"""
