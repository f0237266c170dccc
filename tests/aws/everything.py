"""Prints an answer of EC2 for each operation, with every member that the service's model has: a JSON object of XML.

Every text says where it stands, and every number is another, so that nothing can be taken for anything else.
Usage: everything.py OPERATION...
"""

import json
import sys
from xml.sax.saxutils import escape

import botocore.session

model = botocore.session.Session().get_service_model("ec2")
numbers = iter(range(1, 1_000_000))


def value(shape, path):
    if shape.type_name == "structure":
        return "".join(
            f"<{tag}>{value(member, path + [name])}</{tag}>"
            for name, member in shape.members.items()
            for tag in [member.serialization.get("name", name)]
            if name != "NextToken"
        )
    if shape.type_name == "list":
        # Two, so that a list can't be taken for its first element.
        return "".join(f"<item>{value(shape.member, path + [str(n)])}</item>" for n in range(2))
    if shape.type_name in ("integer", "long"):
        return str(next(numbers))
    if shape.type_name == "boolean":
        return "true" if next(numbers) % 3 else "false"
    if shape.type_name == "timestamp":
        return "2026-11-22T12:00:{:02}.000Z".format(next(numbers) % 60)
    if shape.type_name == "string":
        # It becomes the name of a file.
        return "pl-" + path[-2] if path[-1] == "PrefixListId" and len(path) == 3 else escape(".".join(path) + " <&>")
    raise ValueError(f"{path}: {shape.type_name}")


print(json.dumps({name: value(model.operation_model(name).output_shape, []) for name in sys.argv[1:]}))
