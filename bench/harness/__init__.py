"""What all measurements share: building, running in turn, medians, tables. A measurement itself is in ../measurements."""
