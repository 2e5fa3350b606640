"""A Flower app: a small network, its clients and its server. Nothing in it knows of wfl_sim."""
