"""The loop on a laptop: drift in production, an alert, a retraining, a rollout; and its report."""
