"""The command line: one command a file; each parses, calls the public API and prints."""
