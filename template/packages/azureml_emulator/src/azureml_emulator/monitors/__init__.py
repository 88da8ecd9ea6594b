"""Runs monitors: a schedule's signals over one window, as a job with a step for each signal."""
