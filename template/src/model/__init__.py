"""The code of Azure ML jobs and endpoints: the data contract, the estimator and the pipeline's steps."""
