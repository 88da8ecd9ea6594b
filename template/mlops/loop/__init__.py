"""The loop on a laptop: production drifts, an alert, a retraining, a rollout; and its report."""
