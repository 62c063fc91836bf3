# SPDX-License-Identifier: Apache-2.0
"""The schemas of docs/schema hold for what real runs write, refuse what is wrong, and name the keys that docs name."""
import copy
import json
import pathlib
import re
import signal
import unittest

import harness

try:
    import jsonschema
    import referencing
except ImportError:
    jsonschema = None

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
NAMES = ("journal-header", "journal-launch", "summary")
SCHEMAS = {name: json.loads((DOCS / "schema" / f"{name}.json").read_text()) for name in NAMES}

ALL_KINDS = harness.suite("""[case strong]
reps = 6
sweep.nodes = 1, 2
[case weak]
kind = weak
sweep.nodes = 1, 2
prompts = ${= 2*nodes}
[case batch]
kind = batch
nodes = 2
sweep.batch = 1, 2
[case replica]
kind = replica
nodes = 2
[case sick]
nodes = 1
backend.fail_at_step = 0
[case bereft]
kind = replica
nodes = 2
warmup = 0
backend.fail_rank = 1
backend.fail_at_step = 3
[case nowhere]
nodes = 2
launcher = mpirun
hosts = site
[hosts site]
mpirun = mpirun-that-is-not-there
""", warmup=1)
ONE = harness.suite("[case one]\nnodes = 2\n", reps=1)
LINKS = """[suite]
name = links
[defaults]
kind = link
nodes = 2
reps = 2
iterations = 20
sizes = 1, 64, 4KiB, 64KiB
[case link]
[case gap]
gap = 1us
"""
CUT = harness.suite("[case quick]\nnodes = 2\n[case slow]\nnodes = 2\nbackend.step_time = 10ms\n",
                    order="sequential", max_new=40)

# Quoted in docs/journal.md as values, not keys.
EXAMPLES = {"...", "strong_scaling", "0.1.0", "local", "name", "cpu", "tcp", "a01", "rouge1", "device_bytes", "device_used_bytes",
            "power_w"}


def properties(schema, path=""):
    """Paths of all properties of a schema as docs/summary.md writes them; references are not followed."""
    for key, inner in schema.get("properties", {}).items():
        its = f"{path}.{key}" if path else key
        yield its
        yield from properties(inner, its)
    if "items" in schema:
        yield from properties(schema["items"], path + "[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from properties(schema["additionalProperties"], path + ".*")
    for inner in schema.get("oneOf", []):
        yield from properties(inner, path)


def words(schema):
    """Every name of a property and every value that a schema lists."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        yield from (str(value) for value in schema.get("enum", []))
        for inner in schema.values():
            yield from words(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from words(inner)


class Test(harness.Case):
    def setUp(self):
        super().setUp()
        if not jsonschema:
            self.skipTest("this Python has no jsonschema (scripts/requirements.txt)")
        registry = referencing.Registry().with_resources(
            (schema["$id"], referencing.Resource.from_contents(schema)) for schema in SCHEMAS.values())
        self.validators = {name: jsonschema.Draft202012Validator(schema, registry=registry)
                           for name, schema in SCHEMAS.items()}

    def faults(self, name, document):
        return [f"{error.json_path}: {error.message[:200]}" for error in self.validators[name].iter_errors(document)]

    def lines(self):
        return [json.loads(line) for line in (self.results / "journal.jsonl").read_text().splitlines()]

    def check(self):
        """Everything that the run left; the statuses of its launches."""
        header, *launches = self.lines()
        self.assertEqual(self.faults("journal-header", header), [])
        for line in launches:
            self.assertEqual(self.faults("journal-launch", line), [], line["status"])
        self.assertEqual(self.faults("summary", self.summary()), [])
        return {line["status"] for line in launches}

    def test_schemas_are_schemas(self):
        for schema in SCHEMAS.values():
            jsonschema.Draft202012Validator.check_schema(schema)

    def test_every_kind_of_point_failed_and_waived_ones_too(self):
        self.run_suite(ALL_KINDS, status=1)
        self.assertEqual(self.check(), {"ok", "incomplete", "failed", "waived"})

    def test_links(self):
        self.run_suite(LINKS)
        self.assertEqual(self.check(), {"ok"})

    def test_an_interrupted_run(self):
        run = self.start(CUT)
        run.until(lambda: len(self.journal()) == 2 and len(run.ranks()) == 2, "the third launch")
        run.signal(signal.SIGINT)
        run.end(130)
        self.assertEqual(self.check(), {"ok", "interrupted"})
        self.assertIs(self.summary()["interrupted"], True)

    def test_wrong_documents_are_refused(self):
        self.run_suite(ONE)
        header, launch = self.lines()
        documents = {"journal-header": header, "journal-launch": launch, "summary": self.summary()}
        wrong = [("journal-header", ("lsbench_journal",), 2), ("journal-header", ("points", 0, "id"), "one"),
                 ("journal-header", ("points", 0, "nodes"), 0), ("journal-header", ("points", 0, "params", "nodes"), 2),
                 ("journal-header", ("provenance", "lsbench"), "0123"), ("journal-header", ("started",), "today"),
                 ("journal-launch", ("status",), "fine"), ("journal-launch", ("status",), "failed"),
                 ("journal-launch", ("launch",), -1), ("journal-launch", ("metrics", "run_s"), "1 s"),
                 ("journal-launch", ("ranks",), []), ("journal-launch", ("ranks", 0, "requests", 0, "finish"), "maybe"),
                 ("journal-launch", ("ranks", 1, "run_s"), None), ("journal-launch", ("ranks", 0, "steps"), 1.5),
                 ("journal-launch", ("ledger", 1, "wait_s"), -1), ("journal-launch", ("records", "sha256"), 1),
                 ("journal-launch", ("stage_times", 0, "steps", 0), [1, 2]),
                 ("journal-launch", ("steps", 0, "kind"), "both"),
                 ("journal-launch", ("clocks", 1, "shared"), False),  # known, but not how it goes
                 ("summary", ("schema",), 2), ("summary", ("points", 0, "status"), "good"),
                 ("summary", ("points", 0, "metrics", "run_s", "ci95"), [1]),
                 ("summary", ("points", 0, "metrics", "run_s", "unit"), "ms"),
                 ("summary", ("points", 0, "ledger", 0, "compute_s"), None),
                 ("summary", ("points", 0, "ranks", 0, "pid"), "1"),
                 ("summary", ("points", 0, "outputs", "equal_to_baseline"), "yes"),
                 ("summary", ("findings", "checks", 0, "looked_at"), None)]
        for name, path, value in wrong:
            document = copy.deepcopy(documents[name])
            *way, last = path
            inner = document
            for step in way:
                inner = inner[step]
            inner[last]  # what is changed is there
            inner[last] = value
            self.assertNotEqual(self.faults(name, document), [], (name, path, value))

    def test_what_is_promised_cannot_be_left_out(self):
        self.run_suite(ONE)
        header, launch = self.lines()
        summary = self.summary()
        required = [("journal-header", header, ()), ("journal-header", header, ("points", 0)),
                    ("journal-launch", launch, ()), ("journal-launch", launch, ("ranks", 0)),
                    ("journal-launch", launch, ("ranks", 0, "requests", 0)), ("journal-launch", launch, ("ledger", 0)),
                    ("summary", summary, ()), ("summary", summary, ("points", 0)),
                    ("summary", summary, ("points", 0, "ledger", 0)), ("summary", summary, ("findings",)),
                    ("summary", summary, ("points", 0, "metrics", "run_s"))]
        may_go = {"gated", "runqueue_s", "energy_j", "counters", "link", "clock", "requests", "oversubscribed", "layers", "split",
                  "transport", "backend"}
        for name, document, way in required:
            inner = document
            for step in way:
                inner = inner[step]
            for key in set(inner) - may_go:
                value = inner.pop(key)
                self.assertNotEqual(self.faults(name, document), [], (name, *way, key))
                inner[key] = value
            self.assertEqual(self.faults(name, document), [])
            inner["something_new"] = {"of a later": "version"}
            self.assertEqual(self.faults(name, document), [])
            del inner["something_new"]

    def test_the_schema_of_the_summary_names_the_documented_keys(self):
        schema = SCHEMAS["summary"]
        named = set(properties(schema))
        for name, inner in schema["$defs"].items():
            named |= set(properties(inner, name))
        for key, part in schema["properties"]["findings"]["properties"].items():
            for inner in part["items"].get("properties", {}) if part.get("type") == "array" else ():
                named.add(f"findings.{key}[].{inner}")
        documented = set(re.findall(r"^\| `([^`]+)`", (DOCS / "summary.md").read_text(), re.M))
        self.assertEqual(named - documented, set())
        self.assertEqual(documented - named, set())

    def test_the_schemas_of_the_journal_name_the_documented_keys(self):
        text = (DOCS / "journal.md").read_text().split("## Step records")[0]
        quoted = set(re.findall(r'"([A-Za-z0-9_.]+)"', text)) - EXAMPLES
        known = set()
        for name in ("journal-header", "journal-launch"):
            known |= set(words(SCHEMAS[name]))
        self.assertEqual(quoted - known, set())
        for name in ("journal-header", "journal-launch"):
            keys = {path.rpartition(".")[2] for inner in (SCHEMAS[name], *SCHEMAS[name]["$defs"].values())
                    for path in properties(inner)}
            self.assertEqual({key for key in keys if f'"{key}"' not in text}, set(), name)


if __name__ == "__main__":
    unittest.main()
