"""Makes the buckets that the settings name, where they are missing, and lets the page at PAGE_ORIGIN send to S3."""

import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.settings import PREFIX, load

settings = load({name: value for name, value in os.environ.items() if name.startswith(PREFIX)})
client = boto3.session.Session(settings.s3_access_key, settings.s3_secret_key, region_name=settings.s3_region).client(
    "s3", endpoint_url=settings.s3_endpoint, config=Config(s3={"addressing_style": "path"})
)

for bucket in (settings.s3_bucket, settings.s3_keys_bucket):
    assert bucket is not None
    place = {} if settings.s3_region == "us-east-1" else {"LocationConstraint": settings.s3_region}
    try:
        client.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise

if origin := os.environ.get("PAGE_ORIGIN"):
    assert settings.s3_bucket is not None
    rule = {
        "AllowedOrigins": [origin],
        "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["content-type", "x-amz-checksum-sha256", "x-amz-server-side-encryption"],
        "MaxAgeSeconds": 3600,
    }
    client.put_bucket_cors(Bucket=settings.s3_bucket, CORSConfiguration={"CORSRules": [rule]})
