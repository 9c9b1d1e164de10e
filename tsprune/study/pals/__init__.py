"""Study 05: does the loss find the sparsity by itself, and what does each of PALS's mechanisms contribute?"""
