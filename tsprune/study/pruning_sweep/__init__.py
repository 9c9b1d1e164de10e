"""Study 01: how far can a forecaster be pruned without retraining?"""
