"""How steps are computed: keys, the store, the grid, executors, progress. Knows no model."""
