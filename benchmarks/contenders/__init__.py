"""The bare drivers and PyModels, a file for each database."""
