"""What can be done, said in descriptors and types; knows no class above it."""
