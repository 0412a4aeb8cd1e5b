"""Speed and size, measured: `make bench` prints the table, ratios from one run."""
