"""Models of services elsewhere: one file a protocol, NAME and ENGINE."""
