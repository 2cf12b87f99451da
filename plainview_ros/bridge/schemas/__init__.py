"""What requests and responses look like: camelCase, units of the field, times as text."""
