"""One user's question put to the studies' steps: this file, this forecaster, so much loss at most; what is best?"""
