"""``metalev controller``: pools, addresses of Services and what is said of them."""
