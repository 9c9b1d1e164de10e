"""Study 04: does more data need a bigger model, and does pruning change the answer?"""
