"""Everything that is said to AWS: training, tuning, registry and endpoints on SageMaker, files on S3, logs."""
