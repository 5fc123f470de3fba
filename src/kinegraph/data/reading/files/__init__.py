"""Kinds of files: text, rows of numbers, CSV, JSON, Excel, HDF5, MATLAB, numpy."""
