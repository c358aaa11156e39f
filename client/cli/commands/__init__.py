"""The commands, by what they are about; each module has `COMMANDS`."""
