"""Wires everything: data sets, jobs, run folders and the command line."""
