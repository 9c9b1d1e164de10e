"""Study 02: what does fine-tuning after pruning bring back, and at what cost?"""
