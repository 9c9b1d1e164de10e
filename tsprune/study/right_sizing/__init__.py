"""Study 03: prune a large model, fine-tune it, or train a small one?"""
