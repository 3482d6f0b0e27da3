"""What bench/run promises: turns, ratios, floors, tables. Nothing is measured here and nothing is built."""

import os
import pathlib
import sys
import time
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "bench"))

from harness import document, lab, plot, report  # noqa: E402
from harness.lab import Lab, Missing, Trouble  # noqa: E402
from harness.measurement import Candidate, Floor, Measurement, Metric, measure  # noqa: E402
from measurements import measurements  # noqa: E402


def a_measurement(figures, floors=(), prepare=None):
    """Candidates whose figure in round n is figures[name][n]; `.order` tells who was asked when."""
    order = []

    def take(_, __, name):
        order.append(name)
        figure = figures[name][order.count(name) - 1]
        if isinstance(figure, Exception):
            raise figure
        return {"": {"ns": figure}}

    def prepared(name):
        return prepare[name] if prepare and name in prepare else lambda _: name

    one = Measurement(
        name="example",
        question="?",
        metrics=[Metric("ns", "time", "ns")],
        candidates=[
            Candidate(name, "simul" if name == "simul" else "peer", prepared(name)) for name in figures
        ],
        round=take,
        floors=list(floors),
    )
    return one, order


def a_lab():
    return Lab(root / "bench", build="build/bench", quick=False)


class runner(unittest.TestCase):
    def test_candidates_take_turns(self):
        one, order = a_measurement({"simul": [1, 1], "peer": [2, 2]})
        measure(one, a_lab(), rounds=2)
        self.assertEqual(order, ["simul", "peer", "simul", "peer"])

    def test_a_ratio_is_taken_within_each_round(self):
        one, _ = a_measurement({"simul": [10, 100, 1000], "peer": [20, 200, 6000]})
        result = measure(one, a_lab(), rounds=3)
        self.assertEqual(result.ratio("peer", "simul", "", "ns"), 2)
        self.assertEqual(result.median("peer", "", "ns"), 200)

    def test_a_missing_peer_is_named_and_left_out(self):
        def missing(_):
            raise Missing("install a-package")

        one, order = a_measurement({"simul": [1], "peer": [2]}, prepare={"peer": missing})
        result = measure(one, a_lab(), rounds=1)
        self.assertEqual(result.left_out, {"peer": "install a-package"})
        self.assertEqual(order, ["simul"])
        self.assertIn("left out: peer: install a-package", report.text(result))

    def test_a_candidate_that_fails_is_left_out_with_its_figures(self):
        one, order = a_measurement({"simul": [1, 1, 1], "peer": [2, Trouble("it fell over"), 2]})
        result = measure(one, a_lab(), rounds=3)
        self.assertIsNone(result.median("peer", "", "ns"))
        self.assertEqual(result.of("simul", "", "ns"), [1, 1, 1])
        self.assertEqual(order.count("peer"), 2)
        self.assertIn("it fell over", report.text(result))

    def test_a_floor_holds_at_its_limit_and_not_beyond(self):
        figure = lambda result: result.median("simul", "", "ns")  # noqa: E731
        floors = [
            Floor("a", figure, 10),
            Floor("b", figure, 9),
            Floor("c", figure, 10, at_least=True),
            Floor("d", figure, 11, at_least=True),
        ]
        one, _ = a_measurement({"simul": [10]}, floors)
        self.assertEqual(
            [floor.kept for floor in measure(one, a_lab(), rounds=1).floors], [True, False, True, False]
        )

    def test_a_floor_without_figures_is_not_kept(self):
        one, _ = a_measurement(
            {"simul": [Trouble("no")]}, [Floor("a", lambda result: result.median("simul", "", "ns"), 10)]
        )
        result = measure(one, a_lab(), rounds=1)
        self.assertFalse(result.floors[0].kept)
        self.assertIn("not measured: a", report.text(result))

    def test_json_has_every_round(self):
        one, _ = a_measurement({"simul": [1, 3, 2], "peer": [2, 6, 4]})
        records = list(report.json_records(measure(one, a_lab(), rounds=3)))
        self.assertEqual(
            [(r["candidate"], r["rounds"], r["median"], r["ratio_to_simul"]) for r in records],
            [("simul", [1, 3, 2], 2, 1), ("peer", [2, 6, 4], 4, 2)],
        )

    def test_a_plot_is_well_formed_and_names_all_candidates(self):
        one, _ = a_measurement({"simul": [1, 3], "a < b & c": [2000, 60]})
        drawn = xml.etree.ElementTree.fromstring(plot.svg(measure(one, a_lab(), rounds=2)))
        texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
        self.assertIn("simul", texts)
        self.assertIn("a < b & c", texts)


class tables_in_a_document(unittest.TestCase):
    text = (
        "before\n<!-- bench a -->\nold\n<!-- end -->\nbetween\n<!-- bench b -->\nkept\n<!-- end -->\nafter\n"
    )

    def test_only_the_named_part_is_replaced(self):
        self.assertEqual(document.replace(self.text, "a", r"new \1"), self.text.replace("old", r"new \1"))

    def test_a_part_that_is_not_there_is_an_error_that_names_it(self):
        with self.assertRaisesRegex(Trouble, "no place for 'c'"):
            document.replace(self.text, "c", "new")

    def test_the_project_s_document_has_a_place_for_every_measurement(self):
        text = (root / "docs" / "benchmarks.md").read_text()
        for name in ["machine", *measurements]:
            document.replace(text, name, "")


class programs(unittest.TestCase):
    def test_one_that_does_not_end_is_ended(self):
        with a_lab() as here:
            here.time_limit = 0.1
            begin = time.monotonic()
            with self.assertRaisesRegex(Trouble, "has not ended"):
                here.run(["sleep", "60"])
            self.assertLess(time.monotonic() - begin, 30)

    def test_one_that_fails_is_an_error_with_what_it_said(self):
        with a_lab() as here, self.assertRaisesRegex(Trouble, "status 3: no luck"):
            here.run(["sh", "-c", "echo no luck >&2; exit 3"])

    def test_a_server_ends_with_its_block(self):
        with a_lab() as here:
            with here.server(["sh", "-c", "echo port 17; exec sleep 60"]) as server:
                self.assertEqual(server.port, 17)
                os.kill(server.pid, 0)
            self.assertIsNotNone(server.returncode)

    def test_a_server_that_does_not_start_is_an_error_with_what_it_said(self):
        with a_lab() as here, self.assertRaisesRegex(Trouble, "did not start: in use"):
            with here.server(["sh", "-c", "echo in use >&2"]):
                pass

    def test_the_caller_s_environment_does_not_change_what_is_measured(self):
        os.environ["PYTHONUNBUFFERED"] = "1"
        try:
            self.assertNotIn("PYTHONUNBUFFERED", lab.environment({"SIMUL_IO": "epoll"}))
        finally:
            del os.environ["PYTHONUNBUFFERED"]
        self.assertEqual(lab.environment({"SIMUL_IO": "epoll"})["SIMUL_IO"], "epoll")


if __name__ == "__main__":
    unittest.main()
