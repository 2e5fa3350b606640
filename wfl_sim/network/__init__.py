"""Entities: what lives in simulated time. Server, cells with their carriers, devices."""
