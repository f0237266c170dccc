"""Prints what the AWS CLI prints, asked of an endpoint with botocore, which the AWS CLI is made of.

Usage: dump.py ENDPOINT REGION DIRECTORY COMMAND...
"""

import json
import os
import sys

import botocore.session

endpoint, region, directory, *commands = sys.argv[1:]
session = botocore.session.Session()
client = session.create_client(
    "ec2", region_name=region, endpoint_url=endpoint, aws_access_key_id="x", aws_secret_access_key="x"
)


def save(name, answer):
    answer.pop("ResponseMetadata")
    with open(os.path.join(directory, name + ".json"), "w", encoding="utf-8") as file:
        json.dump(answer, file, indent=4, default=lambda time: time.isoformat())


for command in commands:
    save(command, getattr(client, command.replace("-", "_"))())
for entry in client.describe_managed_prefix_lists()["PrefixLists"]:
    name = entry["PrefixListId"]
    save(f"get-managed-prefix-list-entries-{name}", client.get_managed_prefix_list_entries(PrefixListId=name))
