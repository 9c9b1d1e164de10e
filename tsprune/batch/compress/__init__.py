"""Answers one user's question with the studies' steps: for this file, this forecaster and this loss at most, what is
best?"""
