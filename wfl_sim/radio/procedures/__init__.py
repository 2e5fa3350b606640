"""Procedures of a link: access, HARQ, transport, losses of updates, handover."""
