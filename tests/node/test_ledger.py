# SPDX-License-Identifier: Apache-2.0
"""The ledger of real runs: what is slowed down shows where it was slowed down, and nowhere else.

Nothing here depends on how busy the machine is. Steps of backend-null sleep and fault:tcp holds messages back, so each
takes at least as long as it was told; the rest compares intervals of one launch with each other. The ledger is computed
here a second time, from the step records alone, and must be the journal's.
"""
import collections
import struct
import unittest

import harness

STEPS = 20  # one prompt in one chunk, then a step for each further token
SHAPE = {"nodes": 2, "prompts": 1, "max_new": STEPS, "in_flight": 1, "chunk": 4096, "reps": 1, "keep_records": "all"}
COMPUTE, BLOCK, SEND, COPY, SCHEDULE = 1, 2, 3, 4, 5
HIDDEN, IDS = 2, 3
PARTS = ("compute_s", "wait_s", "transfer_s", "overhead_s", "unattributed_s")
TICK = 1e-6  # s; far above rounding, far below what is looked for

Record = collections.namedtuple("Record", "t0 t1 bytes aux aux2 kind peer tag sequence group step")


def read_records(path):
    """Records of each rank, as docs/journal.md has them."""
    data, at, ranks = path.read_bytes(), 0, []
    while at < len(data):
        magic, version, rank, count = struct.unpack_from("<4sIII", data, at)
        assert (magic, version, rank) == (b"LSBR", 1, len(ranks))
        at += 16
        ranks.append([Record(*struct.unpack_from("<QQQQQIiIIII", data, at + 64 * i)) for i in range(count)])
        at += 64 * count
    return ranks


def overlap(a, b):
    """Nanoseconds that two intervals have in common."""
    return max(0, min(a[1], b[1]) - max(a[0], b[0]))


class Launch:
    """One launch of two ranks: its journal line, and its records cut to its run."""

    def __init__(self, results, line):
        first = line["ranks"][0]
        self.t0, self.t1 = first["run_t0_ns"], max(r["last_ns"] for r in first["requests"])
        self.ranks = read_records(results / line["records"]["file"])
        self.ledger = sorted(line["ledger"], key=lambda row: row["rank"])

    def cut(self, t0, t1):
        return max(t0, self.t0), min(t1, self.t1)

    def spans(self, rank, kind):
        """Intervals of one kind that lie in the run."""
        cut = [self.cut(r.t0, r.t1) for r in self.ranks[rank] if r.kind == kind]
        return [(a, b) for a, b in cut if b > a]

    def sent(self, block):
        """When the message that ended a block of a rank was handed over."""
        theirs = [r.t0 for r in self.ranks[block.peer] if (r.kind, r.tag, r.sequence) == (SEND, block.tag, block.sequence)
                  and r.peer != block.peer]
        return theirs[0]

    def blocks(self, rank):
        """Of each block in the run: (begin, sent, arrived, end), all cut to the block."""
        for r in self.ranks[rank]:
            if r.kind != BLOCK or not overlap((r.t0, r.t1), (self.t0, self.t1)):
                continue
            b0, b1 = self.cut(r.t0, r.t1)
            s = min(max(self.sent(r), b0), b1)
            yield b0, s, min(max(r.aux, s), b1) if r.aux else b1, b1

    def parts(self, rank):
        """The ledger by its definition (docs/method.md): seconds of each part."""
        blocks = list(self.blocks(rank))
        compute = sum(b - a for a, b in self.spans(rank, COMPUTE))
        wait, transfer, late = (sum(b[i + 1] - b[i] for b in blocks) for i in range(3))
        own = sum(b - a for a, b in self.spans(rank, SCHEDULE))  # sends and copies lie inside
        known = [compute, wait, transfer, own + late]
        return [part * 1e-9 for part in (*known, self.t1 - self.t0 - sum(known))]


class Test(harness.Case):
    def launches(self, cases, **keys):
        """The only launch of each case, its ledger seen to be right."""
        self.run_suite(harness.suite(cases, **{**SHAPE, **keys}))
        names = {p["id"]: p["case"] for p in self.summary()["points"]}
        launches = {names[line["point"]]: Launch(self.results, line) for line in self.journal()}
        for launch in launches.values():
            for rank, row in enumerate(launch.ledger):
                for part, value in zip(PARTS, launch.parts(rank)):
                    self.assertAlmostEqual(row[part], value, delta=TICK, msg=f"{part} of rank {rank}")
                self.assertLess(abs(row["unattributed_s"]), 0.02 * row["wall_s"])
        return launches

    def assert_taking_turns(self, launch):
        """With one group in flight, ranks compute in turns; who computes is what the other waits for."""
        for rank, other in ((0, 1), (1, 0)):
            computed = launch.spans(other, COMPUTE)
            self.assertEqual(len(computed), STEPS)
            blocked = sum(overlap(c, (b[0], b[3])) for b in launch.blocks(rank) for c in computed) * 1e-9
            self.assertGreaterEqual(launch.ledger[rank]["wait_s"], blocked - TICK)
            self.assertEqual(sum(overlap(c, mine) for c in computed for mine in launch.spans(rank, COMPUTE)), 0)

    def test_time_in_one_stage_is_its_compute_and_the_others_wait(self):
        # 2.5 ms a layer: each step of the first stage sleeps 2.5 ms or 12.5 ms, of the second 2.5 ms.
        cases = "[case few]\nbackend.layers = 2\nsplit = 1,1\n[case many]\nbackend.layers = 6\nsplit = 5,1\n"
        launches = self.launches(cases, backend_layer_time="2500us")
        for name, layers in ("few", (1, 1)), ("many", (5, 1)):
            launch = launches[name]
            self.assert_taking_turns(launch)
            for rank in (0, 1):
                least = layers[rank] * 2_500_000
                for begin, end in launch.spans(rank, COMPUTE):
                    self.assertGreaterEqual(end - begin, least)
                # What a rank computes is in the other's ledger, and not as compute.
                row, other = launch.ledger[rank], launch.ledger[1 - rank]
                self.assertGreaterEqual(row["compute_s"], STEPS * least * 1e-9)
                self.assertGreaterEqual(other["wall_s"] - other["compute_s"], row["compute_s"] - TICK)

    def test_delay_on_the_link_is_transfer_and_no_compute(self):
        delay = 5_000_000
        launch = self.launches("[case far]\n", transport="fault:tcp", transport_delay="5ms", backend_layers=2,
                               backend_layer_time="10ms")["far"]
        self.assert_taking_turns(launch)
        for rank, tag in ((0, IDS), (1, HIDDEN)):
            blocks = [r for r in launch.ranks[rank] if (r.kind, r.tag) == (BLOCK, tag)]
            exposed, flights = 0, []
            for block in blocks:
                sent = launch.sent(block)
                flights.append((sent, sent + delay))
                self.assertGreaterEqual(block.t1, sent + delay)
                # Exposed is what of the delay the rank blocked for; it may have come to that late.
                exposed += max(0, sent + delay - max(sent, block.t0)) * 1e-9
            self.assertGreaterEqual(launch.ledger[rank]["transfer_s"], exposed - TICK)
            # While these are on their way, nobody computes.
            for who in (0, 1):
                self.assertEqual(sum(overlap(f, c) for f in flights for c in launch.spans(who, COMPUTE)), 0)


if __name__ == "__main__":
    unittest.main()
