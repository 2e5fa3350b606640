"""Carriers and wires: transfers that share them in simulated time, and the cells they belong to."""
