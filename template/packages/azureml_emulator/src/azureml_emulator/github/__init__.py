"""Emulates GitHub: takes dispatches and runs workflows."""
