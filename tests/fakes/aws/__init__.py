"""A fake AWS on a local address: the control plane of SageMaker as state machines, everything else moto's.

moto's own SageMaker is born finished: jobs are Completed and endpoints InService as they are created, duplicates
overwrite, nothing stops, lists do not page as asked. So these are ours, answered in SageMaker's own protocol and held
against botocore's service model in both directions: a request that the model would refuse is refused, an answer that
the model does not know fails the test. S3, logs, CloudWatch, IAM, STS and ECR are moto's. What this cannot show is
written in docs/aws.md.
"""
