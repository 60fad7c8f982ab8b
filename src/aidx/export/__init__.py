"""A plan as another tool's settings, one file a target. Pure; filled by a later issue."""
