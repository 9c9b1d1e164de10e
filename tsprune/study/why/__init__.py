"""Part of study 01: why does a prune fail?"""
