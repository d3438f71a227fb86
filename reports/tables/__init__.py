"""Tables as data, one file each."""
