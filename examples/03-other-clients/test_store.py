"""An object store through boto3. Its tests write, so they say that writes may be copied: the stores have states of their own."""

import boto3
import pytest
from botocore.config import Config

pytestmark = pytest.mark.shadow(allow_unsafe=True)


@pytest.fixture
def store(shadow_url):
    return boto3.client(
        "s3",
        endpoint_url=shadow_url,
        region_name="eu-central-1",
        aws_access_key_id="an-id",
        aws_secret_access_key="a-key",
        config=Config(s3={"addressing_style": "path"}),
    )


def test_what_was_put_is_what_is_got(store):
    store.create_bucket(Bucket="photos", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    store.put_object(Bucket="photos", Key="2026/cat.jpg", Body=b"\xff\xd8" + bytes(100_000), ContentType="image/jpeg")
    got = store.get_object(Bucket="photos", Key="2026/cat.jpg")
    assert got["ContentType"] == "image/jpeg"
    assert len(got["Body"].read()) == 100_002
    assert [item["Key"] for item in store.list_objects_v2(Bucket="photos")["Contents"]] == ["2026/cat.jpg"]


def test_what_was_never_put_is_not_there(store):
    with pytest.raises(store.exceptions.ClientError, match="Not Found"):
        store.head_object(Bucket="nothing", Key="here")
