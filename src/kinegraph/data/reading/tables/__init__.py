"""Tables and arrays: which columns, axes or names mean which joints."""
