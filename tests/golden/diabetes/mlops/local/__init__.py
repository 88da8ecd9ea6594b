"""The emulator: the Azure services this project uses, on a laptop."""
