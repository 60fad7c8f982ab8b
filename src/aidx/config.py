"""Where each setting came from: flag, environment, project file, user file, default; a later issue fills it."""
