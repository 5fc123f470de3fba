"""Steps of every clip between a format's reader and the caller."""
