"""Benchmarks: PyModels, the bare drivers and other mappers, doing the same work."""
