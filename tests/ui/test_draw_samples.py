"""Samples of the test set on Draw, the request to copy, and sets of hard examples."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.views import draw_samples
from app.views.draw_request import as_npy, aws_request, boto3_request, curl_request, python_request
from backend.domain.samples import Difficulty
from backend.services.prediction import seen_from_npy, seen_from_strokes
from backend.services.sampling import known_images
from tests.fakes.backend import World
from tests.ui.conftest import open_page, texts
from tests.ui.test_draw_page import ONE, drawn
from tests.ui.test_draw_trouble import serving_both


def evaluated(world: World) -> None:
    serving_both(world)
    world.backend.evaluating.evaluate(1, actor=world.backend.actor, say=lambda _: None)


def picked(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    """The next run of the picker says that this one was picked, once."""
    places: Iterator[int | None] = iter([place])
    monkeypatch.setattr(draw_samples, "digit_picker", lambda choices, **_: next(places, None))


def test_without_an_evaluation_there_are_the_known_digits_by_digit_only(world: World) -> None:
    serving_both(world)
    app = open_page("draw")
    assert "No version was run over a test set yet" in texts(app)
    assert "these are the 200 known digits" in texts(app)
    assert not any(one.key == "sample_difficulty" for one in app.get("button_group"))


def test_the_address_chooses_digit_and_difficulty(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated(world)
    samples = world.backend.sampling.samples()
    shown: list[int] = []
    monkeypatch.setattr(
        draw_samples, "digit_picker", lambda choices, **_: shown.extend(choice.place for choice in choices)
    )
    digit = samples.data.labels[samples.places(None, Difficulty.WRONG)[0]]
    wrong = samples.places(digit, Difficulty.WRONG)
    app = open_page("draw", sample_digit=str(digit), sample_difficulty="Wrong")
    assert "200 images of mnist, as v1 read them. Wrong: it read them so." in texts(app)
    assert f"python -m backend samples --ask --digit {digit} --difficulty wrong" in texts(app)
    assert tuple(shown[-len(wrong) :]) == wrong[: draw_samples.PAGE]
    assert all(samples.data.labels[place] == digit for place in wrong)


def test_a_picked_sample_is_asked_like_a_drawing_and_judged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated(world)
    samples = world.backend.sampling.samples()
    place = samples.places(None, Difficulty.WRONG)[0]
    label = samples.data.labels[place]
    picked(monkeypatch, place)
    app = open_page("draw")
    assert app.query_params["picture"] == f"{samples.data.sha256}-{place}"
    assert f"**A {label}** · image {place} of mnist" in texts(app)
    digits = [metric.value for metric in app.metric if metric.label == "Digit"]
    assert len(digits) == 2
    assert str(label) not in digits
    assert texts(app).count(f"Wrong: it is a {label}") == 2
    # It is not offered as a hard example: training on it would spoil the test.
    assert "It belongs to a test set" in texts(app)
    assert not [pills for pills in app.get("button_group") if str(pills.key).startswith("draw_label_")]


def test_the_address_alone_opens_a_known_digit_that_is_read_right(world: World) -> None:
    serving_both(world)
    known = known_images()
    app = open_page("draw", picture=f"{known.sha256}-3")
    assert "**A 3** · image 3 of known digits" in texts(app)
    assert texts(app).count("Right") == 2
    assert "Wrong: it is" not in texts(app)


def test_drawing_afterwards_takes_its_place(world: World) -> None:
    serving_both(world)
    app = open_page("draw", picture=f"{known_images().sha256}-3")
    app.session_state["digit_canvas"] = {"drawing": {"strokes": ONE, "seq": 1}}
    app.run()
    assert "**A 3**" not in texts(app)
    assert "Right" not in texts(app)
    assert "picture" not in app.query_params


class TestCopying:
    def test_both_requests_ask_about_the_very_picture(self) -> None:
        seen = seen_from_strokes(ONE)
        with recording() as (url, bodies):
            for command in (["bash", "-c", curl_request(url, seen)], [sys.executable, "-c", python_request(url, seen)]):
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
                assert done.returncode == 0, done.stderr
                assert "4" in done.stdout
        assert len(bodies) == 2
        for body in bodies:
            (tensor,) = body["inputs"]
            assert (tensor["name"], tensor["datatype"], tensor["shape"]) == ("input_1", "FP32", [1, 28, 28, 1])
            pixels = np.rint(np.array(tensor["data"]) * 255).astype(np.uint8).reshape(28, 28)
            assert np.array_equal(pixels, seen)

    def test_an_endpoint_of_sagemaker_is_asked_about_it_too(self) -> None:
        seen = seen_from_strokes(ONE)
        with recording() as (url, bodies):
            account = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "testing"}
            done = subprocess.run(
                [sys.executable, "-c", boto3_request("digits-staging", seen)],
                env={**os.environ, **account, "AWS_DEFAULT_REGION": "eu-west-1"},
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
        assert (done.returncode, done.stdout[:1]) == (0, "4"), done.stderr
        said = """aws() { printf '%s\\0' "$@"; }\n""" + aws_request("digits-staging", seen)
        words = subprocess.run(["bash", "-c", said], capture_output=True, text=True, check=True).stdout.split("\0")
        assert words[:4] == ["sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "digits-staging"]
        bodies.append(json.loads(words[words.index("--body") + 1]))
        for body in bodies:
            pixels = np.rint(np.array(body["inputs"][0]["data"]) * 255).astype(np.uint8).reshape(28, 28)
            assert np.array_equal(pixels, seen)

    def test_the_fold_has_it_where_a_stage_has_no_address_to_call(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        serving_both(world)
        describe = world.backend.serving.describe
        monkeypatch.setattr(world.backend.serving, "describe", lambda stage: replace(describe(stage), url=""))
        app = drawn()
        app.session_state["draw_request"] = True
        app.run()
        assert "--endpoint-name digit-classification-staging" in texts(app)
        assert "curl -s" not in texts(app)

    def test_the_picture_is_there_as_the_command_line_takes_it(self) -> None:
        seen = seen_from_strokes(ONE)
        assert np.array_equal(seen_from_npy(as_npy(seen)), seen)

    def test_nothing_of_it_is_made_while_the_fold_is_closed(self, world: World) -> None:
        serving_both(world)
        assert "curl -s" not in texts(drawn())


@contextmanager
def recording() -> Iterator[tuple[str, list[dict[str, list[dict[str, object]]]]]]:
    """A server that answers every inference with a 4, and what it was asked."""
    bodies: list[dict[str, list[dict[str, object]]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = {"model_version": "4", "outputs": [{"name": "output_1", "data": [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]}]}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        server.server_close()


class TestSets:
    def keep(self, world: World, name: str) -> AppTest:
        serving_both(world)
        app = drawn()
        next(pills for pills in app.pills if str(pills.key).startswith("draw_label_")).set_value(4).run()
        app.text_input(key="set_name").set_value(name).run()
        return app.button(key="set_keep").click().run()

    def test_the_drawings_of_now_are_kept_under_a_name_and_launch_offers_them(self, world: World) -> None:
        app = self.keep(world, "slanted")
        (kept,) = world.backend.example_sets.list_sets()
        assert (kept.name, kept.n) == ("slanted", 1)
        assert "kept as slanted" in texts(app)
        launch = open_page("launch")
        field = launch.get_by_key("launch_fast_hard_examples_set")
        assert field.value == "now"
        assert any(option.startswith("slanted · 1 · ") for option in field.options)
        field.set_value("slanted").run()
        launch.get_by_key("launch_fast_hard_examples").set_value(0.1).run()
        assert "--set hard_examples_set=slanted" in texts(launch)
        launch.get_by_key("launch_submit").click().run()
        (job,) = [job for job in world.backend.training.list_jobs() if job.name != "job-a"]
        assert job.request.hyperparameters["hard_examples_set"] == kept.sha256

    def test_a_name_that_cannot_be_is_told(self, world: World) -> None:
        app = self.keep(world, "Not This")
        assert "The set's name is 'Not This'" in texts(app)
        assert list(world.backend.example_sets.list_sets()) == []
