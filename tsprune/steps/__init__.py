"""What is computed: a step per kind of cell."""
