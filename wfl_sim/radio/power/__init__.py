"""Powers: of base stations and devices, their control and their limits."""
