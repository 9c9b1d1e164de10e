"""One folder per study; ``registry`` lists them."""
