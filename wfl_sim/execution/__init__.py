"""Execution: learning as pure tasks with provenance keys, a store of results, and executors."""
