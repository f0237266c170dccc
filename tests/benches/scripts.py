"""Parts of the scripts of benches/, by themselves. tests/benches.rs runs this."""

import contextlib
import importlib.util
import json
import sys
import tempfile
import unittest
import xml.dom.minidom
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "benches" / "compare"))

import engine  # noqa: E402
import picture  # noqa: E402
import tables  # noqa: E402
from flatten import flatten  # noqa: E402

spec = importlib.util.spec_from_file_location("check", ROOT / "benches" / "instructions" / "check.py")
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)

PROFILE = """\
version: 1
events: Ir
positions: line
ob=(1) /lib/libc.so.6
fn=(1) memcpy
10 1000
ob=(2) /target/flowgate
fn=(2) main
3 20
+1 5
cob=(1)
cfn=(1)
calls=2 10
* 1000
cfn=(2)
calls=1 3
+2 700
-1 7
ob=(1)
fn=(1)
11 500
ob=(2)
fn=(3) other
* 8
"""


class Instructions(unittest.TestCase):
    def test_only_what_ran_in_the_binary_counts_and_calls_do_not(self):
        self.assertEqual(check.own_instructions(PROFILE, Path("/target/flowgate")), 20 + 5 + 7 + 8)
        with contextlib.redirect_stderr(None), self.assertRaises(SystemExit):
            check.own_instructions(PROFILE, Path("/target/another"))

    def test_ten_percent_more_fails_and_less_wants_a_blessing(self):
        for now, good, word in ((109, True, ""), (111, False, "FAILED"), (91, True, ""), (89, True, "--bless")):
            lines, verdict = check.verdict({"decode": 100}, {"decode": now})
            self.assertEqual(verdict, good, now)
            self.assertIn(word, lines[0])
            self.assertEqual("bless" in lines[0], now == 89)
        self.assertFalse(check.verdict({}, {"new": 1})[1])

    def test_what_is_recorded_is_read_back_and_other_architectures_stay(self):
        kept = check.COUNTS
        with tempfile.TemporaryDirectory() as place:
            try:
                check.COUNTS = Path(place) / "counts.toml"
                check.bless("one", {"a": 1_234_567, "b-c": 2})
                check.bless("two", {"a": 3})
                check.bless("one", {"a": 4})
                self.assertEqual((check.recorded("one"), check.recorded("two")), ({"a": 4}, {"a": 3}))
                self.assertEqual(check.recorded("three"), {})
            finally:
                check.COUNTS = kept
        self.assertIn("decode-v2", check.recorded("x86_64"))


class Comparison(unittest.TestCase):
    def test_rules_become_ranges_of_each_interface(self):
        dumps = {
            "describe-network-interfaces": {"NetworkInterfaces": [
                {"NetworkInterfaceId": "eni-1", "Groups": [{"GroupId": "sg-a"}], "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.1"}]},
                {"NetworkInterfaceId": "eni-2", "Groups": [{"GroupId": "sg-b"}], "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.2"}]},
            ]},
            "get-managed-prefix-list-entries-pl-1": {"Entries": [{"Cidr": "192.0.2.0/24"}, {"Cidr": "2001:db8::/32"}]},
            "describe-security-group-rules": {"SecurityGroupRules": [
                rule("sgr-1", "sg-a", "tcp", 443, 443, CidrIpv4="0.0.0.0/0"),
                rule("sgr-2", "sg-a", "-1", -1, -1, ReferencedGroupInfo={"GroupId": "sg-b"}),
                rule("sgr-3", "sg-b", "icmp", 8, 0, PrefixListId="pl-1"),
                rule("sgr-4", "sg-b", "udp", 53, 54, CidrIpv6="::/0"),
                {**rule("sgr-5", "sg-b", "tcp", 1, 2, CidrIpv4="0.0.0.0/0"), "IsEgress": True},
            ]},
        }
        with tempfile.TemporaryDirectory() as place:
            for name, dump in dumps.items():
                (Path(place) / f"{name}.json").write_text(json.dumps(dump))
            rules, addresses = flatten(Path(place))
        net = 192 << 24 | 2 << 8
        self.assertEqual(rules, [
            ("eni-1", "sgr-1", 6, 443, 443, 0, 2**32 - 1),
            ("eni-1", "sgr-2", -1, 0, 65535, (10 << 24) + 2, (10 << 24) + 2),
            ("eni-2", "sgr-3", 1, 0, 65535, net, net + 255),
        ])
        self.assertEqual(addresses, [("eni-1", "10.0.0.1"), ("eni-2", "10.0.0.2")])

    def test_every_engine_has_its_three_statements(self):
        for name in ("duckdb", "clickhouse"):
            statements = engine.statements(name)
            self.assertEqual(sorted(statements), ["load", "rejects", "rules"])
            self.assertIn("$FILES", statements["load"])

    def test_a_target_that_is_missed_is_not_called_met(self):
        def rows(flowgate):
            runs = {"inflate": {"seconds": [1, 2]}, "flowgate": {"seconds": flowgate}, "duckdb": {"seconds": [12, 24]}}
            return tables.targets({"comparison": {"formats": {"v2": runs}}})[2:]

        self.assertEqual([row.endswith("| met |") for row in rows([2, 4])], [True, True])
        self.assertEqual([row.endswith("| **not met** |") for row in rows([3, 6])], [True, True])

    def test_the_ratio_is_of_the_same_round(self):
        runs = {"a": {"seconds": [2, 9, 4]}, "b": {"seconds": [1, 3, 2]}}
        self.assertEqual(tables.ratio(runs, "a", "b"), 2)


class Documents(unittest.TestCase):
    def test_tables_and_picture_are_those_of_the_figures(self):
        docs = ROOT / "docs"
        results = json.loads((docs / "benchmarks" / "results.json").read_text())
        drawn = picture.draw(results)
        self.assertEqual(drawn, (docs / "benchmarks" / "growth.svg").read_text(), "benches/compare/run.py --draw")
        page = (docs / "benchmarks.md").read_text()
        self.assertEqual(page, tables.insert(page, tables.markdown(results)), "benches/compare/run.py --draw")
        readme = (ROOT / "README.md").read_text()
        self.assertEqual(readme, tables.insert(readme, tables.readme(results)), "benches/compare/run.py --draw")
        xml.dom.minidom.parseString(drawn)

    def test_ticks_hold_all_points(self):
        panel = picture.Panel(0, 0, "", "", "", [("a", [(10, 0.03), (100_000, 47)])], log_y=True)
        self.assertEqual((panel.y_ticks[0], panel.y_ticks[-1]), (0.01, 100))
        self.assertEqual((panel.x_ticks[0], panel.x_ticks[-1]), (10, 100_000))
        for high in (0.7, 3, 99, 101, 1_300):
            ticks = picture._steps(high)
            self.assertTrue(ticks[-1] >= high and ticks[-2] < high and 4 <= len(ticks) <= 8, ticks)


def rule(name, group, protocol, low, high, **peer):
    return {
        "SecurityGroupRuleId": name,
        "GroupId": group,
        "IpProtocol": protocol,
        "FromPort": low,
        "ToPort": high,
        "IsEgress": False,
        **peer,
    }


if __name__ == "__main__":
    unittest.main()
