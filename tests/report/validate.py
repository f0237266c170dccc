"""Checks what the program wrote into directories against the published schemas, and says how many findings it saw.

OCSF: the schema of ocsf/ocsf-schema (Apache-2.0), as the package ocsf-json-schema (MIT) makes JSON Schema of it, every
object closed. ASFF: the model of Security Hub that botocore (Apache-2.0) validates calls with, and the limits of the user
guide, which the model has not. SARIF: by hand from the sections of the standard (OASIS, SARIF 2.1.0) that are named.
"""

import collections
import datetime
import json
import pathlib
import re
import sys

import botocore.session
import jsonschema
import ocsf_json_schema
from botocore.validate import ParamValidator

SCHEMAS = {}


def ocsf_validator(version, profiles):
    key = (version, tuple(profiles))
    if key not in SCHEMAS:
        schemas = ocsf_json_schema.OcsfJsonSchemaEmbedded(ocsf_json_schema.get_ocsf_schema(version))
        schema = schemas.get_class_schema("detection_finding", list(profiles))
        SCHEMAS[key] = jsonschema.Draft202012Validator(schema)
    return SCHEMAS[key]


def ocsf(directory):
    lines = (directory / "findings.ocsf.jsonl").read_text().splitlines()
    for number, line in enumerate(lines):
        event = json.loads(line)
        metadata = event["metadata"]
        ocsf_validator(metadata["version"], metadata.get("profiles", [])).validate(event)
        if number < 4:
            # The next version must take it, too: nothing in it goes out of use.
            ocsf_validator("1.6.0", metadata.get("profiles", [])).validate(event)
        assert event["class_uid"] == 2004 and event["type_uid"] == 200400 + event["activity_id"]
        # Milliseconds: later than 2001 as such, earlier than 2001 if they were seconds.
        assert event["time"] == 0 or event["time"] > 1_000_000_000_000, event["time"]
        captions = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}
        assert captions[event["severity_id"]] == event["severity"]
    return len(lines)


OPERATION = (
    botocore.session.get_session().get_service_model("securityhub").operation_model("BatchImportFindings").input_shape
)


def units(text):
    return len(text.encode("utf-16-le")) // 2


def asff_finding(finding, account, region):
    partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(re.split(r"-[a-z]+-\d$", region)[0], "aws")
    assert finding["AwsAccountId"] == account and finding["Region"] == region
    assert finding["SchemaVersion"] == "2018-10-08"
    product = f"arn:{partition}:securityhub:{region}:{account}:product/{account}/default"
    assert finding["ProductArn"] == product, (finding["ProductArn"], product)
    for key, most in [("Id", 512), ("GeneratorId", 512), ("Title", 256), ("Description", 1024)]:
        assert finding[key].strip() and units(finding[key]) <= most, key
    for key in ["CreatedAt", "UpdatedAt"]:
        datetime.datetime.strptime(finding[key], "%Y-%m-%dT%H:%M:%SZ")
    assert finding["UpdatedAt"] >= finding["CreatedAt"]
    given = finding["FindingProviderFields"]
    assert given["Severity"]["Label"] in ["INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
    namespaces = ["Software and Configuration Checks", "TTPs", "Effects", "Unusual Behaviors"]
    assert given["Types"] and all(t.split("/")[0] in namespaces and t.count("/") <= 2 for t in given["Types"])
    assert 1 <= len(finding["Resources"]) <= 32
    for resource in finding["Resources"]:
        assert units(resource["Id"]) <= 512 and units(resource["Type"]) <= 256
        assert resource["Partition"] == partition and resource["Region"] == region
        known = ["AwsEc2SecurityGroup", "AwsEc2NetworkInterface", "AwsEc2NetworkAcl", "AwsEc2Instance", "AwsEc2Vpc"]
        assert resource["Type"] in known + ["AwsAccount", "Other"]
        if resource["Type"] != "AwsAccount":
            assert resource["Id"].startswith(f"arn:{partition}:ec2:{region}:{account}:"), resource["Id"]
    fields = finding["ProductFields"]
    assert len(fields) <= 50
    assert all(units(k) <= 128 and v.strip() and units(v) <= 2048 for k, v in fields.items())
    if "Network" in finding:
        assert finding["Network"]["Direction"] in ["IN", "OUT"]
        assert 1 <= units(finding["Network"].get("Protocol", "x")) <= 16
    if "Remediation" in finding:
        assert 1 <= units(finding["Remediation"]["Recommendation"]["Text"]) <= 512
    assert len(json.dumps(finding, ensure_ascii=False).encode()) <= 240_000


def asff(directory):
    ids = collections.Counter()
    for path in sorted(directory.glob("findings.asff.*.json")):
        account, region, _ = re.fullmatch(r"findings\.asff\.(\d{12})\.([a-z0-9-]+)\.(\d+)\.json", path.name).groups()
        findings = json.loads(path.read_text())
        assert 1 <= len(findings) <= 100, path
        assert path.stat().st_size <= 6_000_000, path
        report = ParamValidator().validate({"Findings": findings}, OPERATION)
        assert not report.has_errors(), f"{path}: {report.generate_report()[:2000]}"
        for finding in findings:
            assert_known(finding, OPERATION.members["Findings"].member, "Finding")
            asff_finding(finding, account, region)
            ids[finding["Id"], account, region] += 1
    assert all(n == 1 for n in ids.values())
    return sum(ids.values())


def assert_known(value, shape, path):
    """botocore lets keys pass that the model has not."""
    if shape.type_name == "structure":
        for key, below in value.items():
            assert key in shape.members, f"{path}.{key}"
            assert_known(below, shape.members[key], f"{path}.{key}")
    elif shape.type_name == "list":
        for below in value:
            assert_known(below, shape.member, path)
    elif getattr(shape, "enum", None):
        assert value in shape.enum, f"{path}: {value}"


def only(value, required, optional=""):
    """An object with these keys."""
    required, optional = set(required.split()), set(optional.split())
    assert required <= set(value) <= required | optional, (sorted(value), sorted(required))


def sarif(directory):
    log = json.loads((directory / "findings.sarif").read_text())
    only(log, "$schema version runs")  # 3.13
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    only(run, "tool columnKind invocations results")  # 3.14
    assert run["columnKind"] in ["utf16CodeUnits", "unicodeCodePoints"]  # 3.14.17
    only(run["tool"], "driver")  # 3.18
    driver = run["tool"]["driver"]
    only(driver, "name semanticVersion rules")  # 3.19
    for rule in driver["rules"]:  # 3.49
        only(rule, "id shortDescription", "name help properties")
        only(rule["shortDescription"], "text")  # 3.12.3
        if "help" in rule:
            only(rule["help"], "text", "markdown")
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids)  # 3.19.23
    [invocation] = run["invocations"]
    only(invocation, "executionSuccessful toolExecutionNotifications")  # 3.20
    for notification in invocation["toolExecutionNotifications"]:  # 3.58
        only(notification, "descriptor level message")
        assert notification["level"] in ["none", "note", "warning", "error"]
        only(notification["message"], "text")
    failed = any(n["level"] == "error" for n in invocation["toolExecutionNotifications"])
    assert invocation["executionSuccessful"] == (not failed)
    for result in run["results"]:  # 3.27
        only(result, "ruleId level message fingerprints properties", "ruleIndex locations")
        assert ids[result["ruleIndex"]] == result["ruleId"]  # 3.27.6
        assert result["level"] in ["none", "note", "warning", "error"]  # 3.27.10
        only(result["message"], "text")
        assert result["message"]["text"].strip()
        assert all(isinstance(v, str) for v in result["fingerprints"].values())  # 3.27.17
        for location in result.get("locations", []):  # 3.28
            only(location, "logicalLocations")
            for logical in location["logicalLocations"]:  # 3.33
                only(logical, "name kind", "fullyQualifiedName properties")
                assert logical["kind"] == "resource" and logical["name"].strip()
    return len(run["results"])


def main():
    totals = collections.Counter()
    for directory in map(pathlib.Path, sys.argv[1:]):
        for check in [ocsf, asff, sarif]:
            totals[check.__name__] += check(directory)
    print(", ".join(f"{name} {totals[name]}" for name in ["ocsf", "asff", "sarif"]))


main()
