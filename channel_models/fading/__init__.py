"""Small-scale fading: what the multipath does to the gain over time and frequency."""
